"""What an execution did before, laid beside what its function asks for now.

Owns the count of program order, the lookup by it, and which entries are durable. Must
never run anything, and never look an entry up by its place in the list: entries may be
stored in another order than that of the program.
"""

from __future__ import annotations

from workflow_worker.errors import NonDeterminismError
from workflow_worker.model import Effects
from workflow_worker.runtime import journal
from workflow_worker.runtime.journal import Entry

_NOTHING: dict[int, Entry] = {}
"""Shared by all executions without a past, and never written to."""


class History:
    """The recorded entries of one execution and the place of a run in them.

    Attributes:
        ordinal: what the function asked for last; 0 before anything.
        durable: how many entries are stored.
        pending: encoded entries that are not stored yet, in order.
    """

    __slots__ = ("_last", "_recorded", "durable", "ordinal", "pending")

    def __init__(self, stored: tuple[bytes, ...]) -> None:
        self.ordinal = 0
        self.durable = len(stored)
        self.pending: tuple[bytes, ...] = ()
        self._recorded = _NOTHING
        self._last = 0
        if stored:
            entries = map(journal.decode, stored)
            self._recorded = {entry.ordinal: entry for entry in entries}
            self._last = max(self._recorded)

    @property
    def replaying(self) -> bool:
        """Whether the function is still among what an earlier run recorded."""
        return self.ordinal < self._last

    def step(self, kind: str, name: str) -> Entry | None:
        """Count one thing the function asks for, and return what came of it before.

        Returns:
            The recorded entry; None if this is to be done now.

        Raises:
            NonDeterminismError: the journal has something else here.
        """
        self.ordinal += 1
        if self.ordinal > self._last:
            return None
        entry = self._recorded.get(self.ordinal)
        if entry is None:
            # An emit leaves no entry before its commit; an action that was called in
            # line can't have been overtaken by what came after it.
            if kind == journal.EMIT:
                return None
            raise _diverged(self.ordinal, "no action", f"{kind} {name}")
        if entry.kind != kind or entry.name != name:
            raise _diverged(self.ordinal, _shown(entry), f"{kind} {name}")
        return entry

    def finish(self) -> None:
        """Require that the function, which has returned, used up its journal.

        Raises:
            NonDeterminismError: it returned before something it once did.
        """
        if self.replaying:
            left = [ordinal for ordinal in self._recorded if ordinal > self.ordinal]
            first = self._recorded[min(left)]
            raise _diverged(first.ordinal, _shown(first), "the end of the workflow")

    def add(self, entry: Entry) -> None:
        """Keep a new entry until it is stored."""
        self.pending += (journal.encode(entry),)

    def store(self, effects: Effects) -> None:
        """Make everything the function has seen durable.

        Raises:
            LeaseLost: another worker owns the execution now.
        """
        if self.pending:
            effects.append(self.pending, self.durable)
            self.durable += len(self.pending)
            self.pending = ()


def _shown(entry: Entry) -> str:
    return f"{entry.kind} {entry.name}"


def _diverged(ordinal: int, then: str, now: str) -> NonDeterminismError:
    return NonDeterminismError(
        f"step {ordinal}: the journal has {then}, but the function now comes to {now}; "
        "bring back the code that wrote the journal, then retry"
    )
