"""What a toy workflow is asked to do: steps, routes, and the world outside of Redis."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from workflow_worker.model import Route

Step = list[Any]
Entry = dict[str, Any]

MINUTE = 60_000
"""Every delay is long: what the clock of the machine does meanwhile is no matter."""
SOON = MINUTE // 2
"""After this something is tried again: before any wait is over."""

ROUTES = (
    Route("case", names=("go", "both"), signals=("s1", "s2", "kick")),
    Route("child", signals=("s1",)),
    Route("plain", names=("ping", "both", "kick")),
)
STARTS = {"go": 1, "ping": 1, "both": 2, "kick": 1}
"""How many executions an event starts."""
UNITS = {"s1": 2, "s2": 1, "kick": 1}
"""For how many workflows an event is a signal."""
KINDS = {
    "act": "action",
    "flaky": "action",
    "shaky": "action",
    "beside": "action",
    "wait": "wait",
    "sleep": "sleep",
    "emit": "emit",
    "child": "start",
    "result": "result",
}
"""Which journal entry a step leaves; steps not named here are not numbered."""
TRIES = {"try": "action", "undotry": "undo"}
"""Of what an entry says that it failed and is to be tried again."""


class Acting(Protocol):
    """What the world learns of a run that acts."""

    id: str
    number: int
    seen: list[Entry]


class Outside:
    """The world outside of Redis, where actions happen and time passes.

    Attributes:
        now_ms: the clock.
        acts: each action that began: execution, run, and the results it had seen.
        calls: how often each thing was called that does not always work.
    """

    def __init__(
        self, now_ms: Callable[[], int], skipped_ms: Callable[[], int]
    ) -> None:
        self.now_ms, self._skipped_ms = now_ms, skipped_ms
        self._began_ms, self._dues = now_ms(), 0
        self.acts: list[tuple[str, int, tuple[Entry, ...]]] = []
        self.calls: Counter[str] = Counter()

    def answer(self, run: Acting) -> int:
        """Begin an action and answer what nobody was answered before."""
        self.acts.append((run.id, run.number, tuple(run.seen)))
        return len(self.acts)

    def due_ms(self, delay_ms: int) -> int:
        """Return when to try again; each is later than the one before.

        By how much must not depend on how fast the machine is: what is due in which
        order has to be the same when a schedule is run once more.
        """
        if not delay_ms:
            return self.now_ms()
        self._dues += 1
        return self._began_ms + self._skipped_ms() + delay_ms + self._dues

    def call(self, what: str) -> int:
        """Count a call, and say which one it is, from 1."""
        self.calls[what] += 1
        return self.calls[what]


class Past:
    """What earlier runs of a toy workflow recorded.

    Attributes:
        entries: by ordinal, what its steps came to.
        undos: by ordinal, what was undone.
        tries: by ordinal and kind, the last try that failed and is not the last.
        end: why it is being undone, if it failed.
        last: ordinal up to which a run is known to have come.
    """

    def __init__(self, history: list[Entry]) -> None:
        self.entries: dict[int, Entry] = {}
        self.undos: dict[int, Entry] = {}
        self.tries: dict[tuple[int, str], Entry] = {}
        ends: dict[int, Entry] = {}
        of_kind = {"undo": self.undos, "end": ends}
        for entry in history:
            ordinal, kind = entry["ordinal"], entry["kind"]
            if kind in TRIES:
                self.tries[ordinal, TRIES[kind]] = entry
            else:
                of_kind.get(kind, self.entries)[ordinal] = entry
        self.end = next(iter(ends.values()), None)
        # What is undone has its place right behind the end of the steps.
        behind = min([*self.undos, *self._tried("undo")], default=1)
        self.last = max([behind - 1, *ends, *self.entries, *self._tried("action")])

    def _tried(self, kind: str) -> list[int]:
        return [ordinal for ordinal, tried in self.tries if tried == kind]


def signal_of(name: str, fields: tuple[bytes, ...]) -> list[Any]:
    """Return the name of an inbox item, and the number of its event if it has one."""
    pairs = dict(zip(fields[::2], fields[1::2], strict=True))
    return [name, json.loads(pairs.get(b"payload", b"{}")).get("n")]


def kinds_of(steps: list[Step]) -> list[tuple[str, Step]]:
    """Return the kind of journal entry for each ordinal, with its step."""
    found, child = [], False
    for step in steps:
        if step[0] in KINDS and (step[0] != "result" or child):
            found.append((KINDS[step[0]], step))
        if step[0] in {"child", "result"}:
            child = step[0] == "child"
    return found
