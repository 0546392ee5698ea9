"""What an execution did before, laid beside what its function asks for now.

Owns the count of program order, the lookup by it, and which entries are durable. Must
never run anything, and never look an entry up by its place in the list: entries may be
stored in another order than that of the program.
"""

from __future__ import annotations

import threading

from workflow_worker.errors import NonDeterminismError
from workflow_worker.ports import Appender, Effects
from workflow_worker.runtime import journal
from workflow_worker.runtime.journal import Entry

_BUFFERED = frozenset({journal.EMIT, journal.START})
"""What leaves no entry before the commit that carries it out."""


_KINDS = {journal.TRY: journal.ACTION, journal.UNDO_TRY: journal.UNDO}
"""What a failed try is one of."""


class Past:
    """What is recorded, ready to be looked up.

    Attributes:
        entries: by ordinal, what the function asked for.
        undos: by ordinal, the compensations that ran after its end.
        tries: by ordinal, the last failed try of an action.
        undo_tries: by ordinal, the last failed try of a compensation.
        undoing: by ordinal, what there is of each compensation.
        end: why it is being undone; None if it is not.
        patches: by id, the ordinal from which on a patch is taken.
        last: ordinal up to which an earlier run is known to have come.
    """

    __slots__ = (
        "end",
        "entries",
        "last",
        "patches",
        "tries",
        "undo_tries",
        "undoing",
        "undos",
    )

    def __init__(self, stored: tuple[bytes, ...] = ()) -> None:
        self.entries: dict[int, Entry] = {}
        self.undos: dict[int, Entry] = {}
        self.tries: dict[int, Entry] = {}
        self.undo_tries: dict[int, Entry] = {}
        self.patches: dict[str, int] = {}
        self.end: Entry | None = None
        by_kind = {
            journal.UNDO: self.undos,
            journal.TRY: self.tries,
            journal.UNDO_TRY: self.undo_tries,
        }
        for entry in map(journal.decode, stored):
            if entry.kind == journal.PATCH:
                self.patches[entry.name] = entry.ordinal
            elif entry.kind == journal.END:
                self.end = entry
            elif entry.kind != journal.REFUSED:
                by_kind.get(entry.kind, self.entries)[entry.ordinal] = entry
        self.last = max(max(self.entries, default=0), max(self.tries, default=0))
        # The function came to its end right before: so far it is not to turn off.
        self.undoing = self.undo_tries | self.undos
        if self.undoing:
            self.last = max(self.last, min(self.undoing) - 1)
        if self.end:
            self.last = max(self.last, self.end.ordinal)


_NO_PAST = Past()
"""Shared by all executions without one, and never written to."""


class History:
    """The recorded entries of one execution and the place of a run in them.

    Args:
        stored: the encoded entries.
        cancel: an operator asked for the end already.

    Attributes:
        ordinal: what the function asked for last; 0 before anything.
        durable: how many entries are stored.
        pending: encoded entries that are not stored yet, in order.
        cancel: an operator asked for the end of the execution.
        end: why an earlier run ended and is being undone; None if none did.
    """

    # Most executions keep these defaults, and most runs never change one.
    ordinal = 0
    durable = 0
    pending: tuple[bytes, ...] = ()
    cancel = False
    end: Entry | None = None
    _consumed: tuple[str, ...] = ()
    _past = _NO_PAST
    _patches: dict[str, int] = _NO_PAST.patches
    _last = 0
    _tries: dict[tuple[int, str], Entry] = {}
    _lock: threading.Lock | None = None
    """Guards pending, consumed and durable; held over an append, so that there is one
    at a time. Made with the first step."""

    def __init__(self, stored: tuple[bytes, ...], cancel: bool = False) -> None:
        if cancel:
            self.cancel = True
        if stored:
            self.durable = len(stored)
            self._past = Past(stored)
            self._patches = self._past.patches
            self._last = self._past.last
            self.end = self._past.end

    @property
    def replaying(self) -> bool:
        """Whether the function is still among what an earlier run recorded."""
        return self.ordinal < self._last

    @property
    def ended(self) -> bool:
        """Whether the function has gone beyond where an earlier run ended."""
        return self.end is not None and self.ordinal > self.end.ordinal

    @property
    def undoing(self) -> bool:
        """Whether an earlier run has undone something."""
        return bool(self._past.undoing)

    def tried(self, ordinal: int, kind: str) -> Entry | None:
        """Return the last failed try of an action or compensation, of any run.

        Args:
            ordinal: its place.
            kind: ``action`` or ``undo``.
        """
        past = self._past
        if past is _NO_PAST and not self._tries:
            return None
        tries = past.undo_tries if kind == journal.UNDO else past.tries
        return self._tries.get((ordinal, kind)) or tries.get(ordinal)

    def try_failed(self, entry: Entry, kind: str, effects: Effects) -> None:
        """Keep that a try failed; durable before the next one begins.

        Args:
            entry: what came of it.
            kind: ``action`` or ``undo``.
            effects: who is told that something waits to be stored.
        """
        self.add(entry, effects)
        self._tries[entry.ordinal, kind] = entry

    @property
    def fresh(self) -> bool:
        """Whether no earlier run is known to have come to the step at hand."""
        return self.ordinal > self._last

    def step(self, kind: str, name: str, *, in_line: bool = True) -> Entry | None:
        """Count one thing the function asks for, and return what came of it before.

        Args:
            kind: what it is.
            name: as in the journal.
            in_line: the function goes on only when this is done.

        Returns:
            The recorded entry; None if this is to be done now.

        Raises:
            NonDeterminismError: the journal has something else here.
        """
        if self._lock is None:
            self._begin()
        self.ordinal += 1
        if self.ordinal > self._last:
            if self._past.undoing:
                self._expect_no_undo(_named(kind, name))
            return None
        past = self._past
        entry = past.entries.get(self.ordinal)
        known = entry or past.tries.get(self.ordinal)
        if known is None:
            # What the function did not wait for may have been overtaken by what came
            # after it; what it called in line can't have been.
            if kind in _BUFFERED or not in_line:
                return None
            raise _diverged(self.ordinal, f"no {kind}", _named(kind, name))
        if (_kind(known), known.name) != (kind, name):
            raise _diverged(self.ordinal, _shown(known), _named(kind, name))
        return entry

    def finish(self, end: str = "the end of the workflow") -> None:
        """Require that the function, which came to an end, used up its journal.

        Raises:
            NonDeterminismError: it did so before something it once did.
        """
        if self.replaying:
            past = self._past.tries | self._past.entries
            left = [ordinal for ordinal in past if ordinal > self.ordinal]
            if left:
                first = past[min(left)]
                raise _diverged(first.ordinal, _shown(first), end)
        if self._past.undoing:
            self._expect_no_undo(end)

    def undo(self, name: str) -> Entry | None:
        """Count one compensation, and return what came of it before.

        Raises:
            NonDeterminismError: an earlier run did another one here.
        """
        self.ordinal += 1
        past, ordinal = self._past, self.ordinal
        entry = past.undos.get(ordinal)
        known = entry or past.undo_tries.get(ordinal)
        if known is not None and known.name != name:
            shown = _named(journal.UNDO, known.name)
            raise _diverged(ordinal, shown, _named(journal.UNDO, name))
        return entry

    def patched(self, patch: str) -> bool | None:
        """Tell whether the function took the path of a patch here; None: undecided."""
        since = self._patches.get(patch)
        if since is not None:
            return since <= self.ordinal
        return False if self.replaying else None

    def patch(self, patch: str) -> None:
        """Note that from here on the function takes the path of a patch."""
        self._patches = self._patches | {patch: self.ordinal}

    def add(self, entry: Entry, effects: Effects, consumes: str = "") -> None:
        """Keep a new entry until it is stored; from any thread once steps were taken.

        Args:
            entry: what came of a step.
            effects: who is told that something waits to be stored.
            consumes: name of the inbox item whose content this is; empty for none.
        """
        with self._lock or self._begin():
            first = not self.pending
            self.pending += (journal.encode(entry),)
            self._consumed += (consumes,)
        if first:
            effects.unsaved(self)

    def store(self, appender: Appender, /) -> None:
        """Make everything the function has seen durable; from any thread.

        Raises:
            LeaseLost: another worker owns the execution now.
        """
        # What this thread has seen is either stored or still pending, so that looking
        # without the lock is enough.
        if not self.pending or self._lock is None:
            return
        with self._lock:
            if self.pending:
                if appender.append(self.pending, self.durable, self._consuming()):
                    self.cancel = True
                self.durable += len(self.pending)
                self.pending = self._consumed = ()

    def take(self) -> tuple[tuple[bytes, ...], tuple[str, ...], int]:
        """Return for a commit what is pending, what it consumes, and what is durable.

        Nothing is pending afterwards: whoever would store it comes too late.
        """
        if self._lock is None:
            return (), (), self.durable
        with self._lock:
            taken = self.pending, self._consuming(), self.durable
            self.pending = self._consumed = ()
        return taken

    def _begin(self) -> threading.Lock:
        self._tries = {}
        self._lock = threading.Lock()
        return self._lock

    def _consuming(self) -> tuple[str, ...]:
        return self._consumed if any(self._consumed) else ()

    def _expect_no_undo(self, now: str) -> None:
        # An end by cancel comes right where it came before, and so does one that is
        # recorded; any other is an error that this replay should have met by now.
        recorded = self.cancel or self.end is not None
        if not (recorded and self.ordinal >= self._last):
            first = self._past.undoing[min(self._past.undoing)]
            raise _diverged(first.ordinal, _shown(first), now)


def _kind(entry: Entry) -> str:
    return _KINDS.get(entry.kind, entry.kind)


def _shown(entry: Entry) -> str:
    return _named(_kind(entry), entry.name)


def _named(kind: str, name: str) -> str:
    return f"{kind} {name}" if name else kind


def _diverged(ordinal: int, then: str, now: str) -> NonDeterminismError:
    return NonDeterminismError(
        f"step {ordinal}: the journal has {then}, but the function now comes to {now}; "
        "bring back the code that wrote the journal, then retry"
    )
