"""Flood control: retries of a workflow that mostly fails get a bounded share.

Owns what is known of how runs end here, and how many such retries run at once. It must
never hold back a first run, nor stop retries altogether: that is how a workflow shows
that it works again.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from workflow_worker.clock import monotonic

log = logging.getLogger(__name__)

MEMORY = 60.0
"""Seconds after which an end counts for e times less."""
FEWEST = 20
"""Ends below which no flood begins; it ends below half of them. With one bound for
both, a workflow that is just about there would be in and out all the time."""
_OFTEN = 1.0
"""Seconds between two ageings of what is remembered."""


class _Ends:
    """How the runs of one workflow ended lately, the older the less it counts."""

    __slots__ = ("all", "at", "failed")

    def __init__(self, now: float) -> None:
        self.all = 0.0
        self.failed = 0.0
        self.at = now

    def age(self, now: float) -> None:
        factor = math.exp((self.at - now) / MEMORY)
        self.all *= factor
        self.failed *= factor
        self.at = now

    def is_flood(self, *, already: bool) -> bool:
        """Tell whether most failed; if it was one, whether a third still does."""
        if already:
            return self.all * 2 >= FEWEST and self.failed * 3 > self.all
        return self.all >= FEWEST and self.failed * 2 > self.all


class Floods:
    """What fails in this worker, and how much of that may run.

    Args:
        most: retries of all flooded workflows together that may run at once.
        changed: called with the name of a flooded workflow, or an empty one when there
            is none any more.
        now: monotonic seconds.

    Attributes:
        flooded: names of the workflows of which most runs fail, until less than a third
            of them does; replaced as a whole.
    """

    def __init__(
        self,
        most: int,
        changed: Callable[[str], None],
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.flooded: frozenset[str] = frozenset()
        self._most = most
        self._changed = changed
        self._now = now
        self._ends: dict[str, _Ends] = {}
        self._running = 0
        self._judging = threading.Lock()
        """Guards ``flooded`` and the number of retries that run."""

    def note(self, workflow: str, *, failed: bool) -> None:
        """Note how a run ended; races between threads only blur the mean."""
        now = self._now()
        ends = self._ends.get(workflow)
        if ends is None:
            ends = self._ends.setdefault(workflow, _Ends(now))
        if now - ends.at > _OFTEN:
            ends.age(now)
        ends.all += 1.0
        if failed:
            ends.failed += 1.0
        elif not self.flooded:
            return
        already = workflow in self.flooded
        if ends.is_flood(already=already) is not already:
            self._judge()

    def settle(self) -> None:
        """Note which have recovered merely because time passed."""
        if not self.flooded:
            return
        now = self._now()
        for workflow in self.flooded:
            self._ends[workflow].age(now)
        self._judge()

    def begin(self) -> bool:
        """Have one more retry of a flooded workflow run; False if that is too many."""
        with self._judging:
            if self._running >= self._most:
                return False
            self._running += 1
            return True

    def end(self) -> None:
        """Note that one that had begun runs no more."""
        with self._judging:
            self._running -= 1

    def _judge(self) -> None:
        with self._judging:
            before = self.flooded
            self.flooded = after = frozenset(
                workflow
                for workflow, ends in list(self._ends.items())
                if ends.is_flood(already=workflow in before)
            )
            if after == before:
                return
            self._changed(min(after, default=""))
        for workflow in sorted(after - before):
            log.warning(
                "most runs of workflow %s fail: at most %d of its retries run at once",
                workflow,
                self._most,
            )
        for workflow in sorted(before - after):
            log.info("most runs of workflow %s do not fail any more", workflow)
