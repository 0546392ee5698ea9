"""How fast many letters are handled one after another, and what was done so far.

Owns the waiting, in which it must always listen to whoever wants it to stop.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from workflow_worker import clock

CHUNK = 20
"""Letters in one script call: the server serves nobody else meanwhile."""
STEPS = 5
"""Steps a second where the pace is slow."""
LOOK_S = 0.2
"""Seconds between looks at a backlog that is too long."""
MOST_REFUSALS = 100
"""Refusals that are kept with their reason; more are only counted."""


class Refusal(msgspec.Struct, frozen=True):
    """A letter that was left where it is.

    Attributes:
        id: of the letter.
        why: in one sentence.
    """

    id: str
    why: str


class Handled(msgspec.Struct, frozen=True):
    """What a redrive or purge has done, so far or in all.

    Attributes:
        letters: how many were redriven or purged.
        executions: how many executions go on because of it, or were removed.
        workflows: letters by workflow; those that reached none under an empty name.
        refused: how many were left where they are.
        refusals: the first hundred of them, with the reason.
        paused: a redrive waits, because too many events wait already.
        stopped: it was stopped, or not confirmed, before its end.
    """

    letters: int = 0
    executions: int = 0
    workflows: dict[str, int] = {}
    refused: int = 0
    refusals: tuple[Refusal, ...] = ()
    paused: bool = False
    stopped: bool = False


Progress = Callable[[Handled], object]
"""Told what was done so far."""


class Tally:
    """Counts what a call does."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._workflows: Counter[str] = Counter()
        self._refusals: list[Refusal] = []
        self._executions = self._refused = 0

    def add(self, workflow: str, *, with_execution: bool) -> None:
        """Count a letter that is done."""
        self._workflows[workflow] += 1
        self._executions += with_execution

    def refuse(self, letter_id: str, why: str) -> None:
        """Count a letter that stays."""
        self._refused += 1
        if len(self._refusals) < MOST_REFUSALS:
            self._refusals.append(Refusal(letter_id, why))

    def tell(self, *, paused: bool = False) -> None:
        """Tell whoever wants to know how far it is."""
        if self._progress is not None:
            self._progress(self._handled(paused=paused))

    def ended(self, missing: Iterable[str]) -> Handled:
        """Return all that was done, with the ids for which there was nothing to do."""
        for letter_id in missing:
            self.refuse(letter_id, "there is no such dead letter among those meant")
        return self._handled()

    def stopped(self) -> Handled:
        """Return what was done until it was stopped."""
        return self._handled(stopped=True)

    def _handled(self, *, paused: bool = False, stopped: bool = False) -> Handled:
        return Handled(
            letters=self._workflows.total(),
            executions=self._executions,
            workflows=dict(self._workflows),
            refused=self._refused,
            refusals=tuple(self._refusals),
            paused=paused,
            stopped=stopped,
        )


class Pace:
    """Lets letters pass so many a second, and none while too many events wait.

    Args:
        rate: most letters a second.
        stop: ends every wait.
        tally: told when a wait for the backlog begins.
        backlog: most events in the stream; None for any number.
    """

    def __init__(
        self,
        rate: float,
        stop: threading.Event | None,
        tally: Tally,
        backlog: int | None,
    ) -> None:
        self._rate = rate
        self._stop = stop or threading.Event()
        self._tally = tally
        self._backlog = backlog
        self._next = clock.monotonic()
        self.waiting: int | None = None
        """Events in the stream as last seen."""
        self.chunk = max(1, int(min(CHUNK, rate / STEPS, backlog or CHUNK)))
        """Letters that pass at once."""

    def wait(self, letters: int, look: Callable[[], int]) -> bool:
        """Wait until so many letters may pass; False if it is to stop.

        Args:
            letters: how many.
            look: how many events are in the stream now.
        """
        if self._sleep(self._next - clock.monotonic()):
            return False
        if self._backlog is not None and not self._room(self._backlog, look):
            return False
        self._next = max(self._next, clock.monotonic()) + letters / self._rate
        return True

    def _room(self, most: int, look: Callable[[], int]) -> bool:
        waiting = look() if self.waiting is None else self.waiting
        if waiting >= most:
            self._tally.tell(paused=True)
        while waiting >= most:
            if self._sleep(LOOK_S):
                return False
            waiting = look()
        return True

    def _sleep(self, seconds: float) -> bool:
        """Sleep; True if it is to stop."""
        return self._stop.wait(seconds) if seconds > 0 else self._stop.is_set()
