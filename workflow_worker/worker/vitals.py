"""How this worker fares: how its runs ended lately, and whether it can keep up.

Owns two figures on the board that health goes by. Its thread may wait for Redis, so it
must never be what gives the signs of life.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from workflow_worker.board import Slot
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import Rejected, Unavailable
from workflow_worker.health import RECENT

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between looks."""
SAMPLE = 10.0
"""Seconds between what is remembered of the number of runs."""
ASK = 5.0
"""Fewest seconds between questions about the backlog."""
BREATHS = 3
"""Looks in a row that have to find a free thread before it counts as able to keep up:
between two gulps of the reader one does, however much waits."""


class Recent:
    """How the runs of the last minutes ended."""

    def __init__(self) -> None:
        self._runs = 0
        self._errors = 0
        self._samples: deque[tuple[float, int, int]] = deque()

    def note(self, *, failed: bool) -> None:
        """Note how a run ended; from any thread, races only blur the sum."""
        self._runs += 1
        self._errors += failed

    def count(self, now: float) -> tuple[int, int]:
        """Return how many runs ended lately, and how many of them failed.

        Called by one thread, often.

        Args:
            now: monotonic seconds.
        """
        samples, runs, errors = self._samples, self._runs, self._errors
        if not samples:
            samples.append((now, 0, 0))
        elif now - samples[-1][0] >= SAMPLE:
            samples.append((now, runs, errors))
        while now - samples[0][0] > RECENT:
            samples.popleft()
        _, runs_then, errors_then = samples[0]
        return runs - runs_then, errors - errors_then


class Vitals:
    """Puts on the board how this worker fares.

    Args:
        slot: the board.
        recent: how its runs ended.
        busy: tells whether every thread has something to run.
        waiting: asks how many events nobody has taken yet; raises Unavailable.
        now: monotonic seconds.
    """

    def __init__(
        self,
        slot: Slot,
        recent: Recent,
        busy: Callable[[], bool],
        waiting: Callable[[], int],
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._slot = slot
        self._recent = recent
        self._busy = busy
        self._waiting = waiting
        self._now = now
        self._since = 0.0
        self._free = 0
        self._ask_at = 0.0

    def run(self) -> None:
        """Look for ever."""
        while True:
            self.look()
            sleep(LOOK)

    def look(self) -> None:
        """Bring the board up to date."""
        now = self._now()
        self._slot.recently(*self._recent.count(now))
        self._since = self._saturated(now)
        self._slot.saturated(self._since)

    def _saturated(self, now: float) -> float:
        """Return since when it can't keep up; 0 if it can."""
        self._free = 0 if self._busy() else self._free + 1
        if self._free and (not self._since or self._free >= BREATHS):
            return 0.0
        if now < self._ask_at:
            return self._since
        self._ask_at = now + ASK
        try:
            waiting = self._waiting()
        except (Unavailable, Rejected) as error:
            log.debug("the backlog is not known: %s", error)
            return self._since
        return (self._since or now) if waiting > 0 else 0.0
