"""Recycling: a worker that has done enough, or has grown too large, is replaced.

So is one where nobody else would adopt what a worker without a seat left when it died.
Owns when one is due, and that it is one at a time: the newcomer is ready before the
former drains, and nobody else is due before that one is gone. It must never block, nor
kill: what leaks has done no harm yet.
"""

from __future__ import annotations

import logging
import math

import psutil

from workflow_worker.board import Restart, State
from workflow_worker.settings import Settings
from workflow_worker.supervisor.backoff import FREE, delay
from workflow_worker.supervisor.roster import ForkWorker, Roster
from workflow_worker.supervisor.seats import Worker
from workflow_worker.supervisor.swap import Swap

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between looks at what workers have done and how large they are."""
SPREAD = 0.1
"""Part of MAX_EVENTS_PER_WORKER that chance adds: not all are due at once."""
YOUNG = 60.0
"""Seconds of being ready; who is too large by then is followed by one that will be."""
HEIRS = 6
"""Newcomers in a row that die before they are ready, after which the next will, too."""


class Recycling:
    """Whoever is due, one at a time."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._swap: Swap | None = None
        self._cause = Restart.NONE
        self._leaving: Worker | None = None
        self._hasty = False
        self._look_at = 0.0
        self._next_at = 0.0
        self._streak = 0

    @property
    def busy(self) -> bool:
        """A newcomer is awaited."""
        return self._swap is not None

    def step(self, settings: Settings, fork: ForkWorker, now: float) -> None:
        """Bring the replacement under way forward, or begin one that is due."""
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self._weigh(settings.max_memory_mb, now)
            if not self._swap and now >= self._next_at:
                self._begin(settings, fork)
        if self._swap:
            self._swap.step(now)
            if self._swap.done:
                self._ended(self._swap, now)

    def abandon(self) -> None:
        """Replace nobody for now: there is a reload, or the seats change."""
        if self._swap:
            self._swap.abandon()
            self._swap = None

    def _weigh(self, most: int, now: float) -> None:
        for worker in self._roster.workers.values() if most else ():
            worker.megabytes = _megabytes(worker.pid)
            if worker.megabytes >= most:
                worker.full_at = min(worker.full_at, now)

    def _begin(self, settings: Settings, fork: ForkWorker) -> None:
        if self._leaving and self._leaving.pid in self._roster.workers:
            return
        seats = {seat.worker: seat for seat in self._roster.seats if seat.worker}
        heir = bool(self._roster.estate)
        # In the order of their starts: else the first seat's would be due for ever.
        for worker in self._roster.workers.values():
            why = _due(worker, settings, heir=heir) if worker in seats else None
            if why:
                self._cause, text = why
                grown = worker.full_at - worker.slot.view().ready_at
                self._hasty = self._cause is Restart.MEMORY and grown < YOUNG
                log.info("worker %d %s: it is replaced", worker.slot.index, text)
                grace = settings.shutdown_timeout_ms / 1000
                seat = seats[worker]
                self._swap = Swap(
                    self._roster, seat, fork, grace, self._cause, heir=True
                )
                return

    def _ended(self, swap: Swap, now: float) -> None:
        self._swap = None
        if swap.failed:
            pause = self._wait(now)
            log.warning("not replaced: %s; next try in %.1f s", swap.failed, pause)
            if self._streak >= HEIRS:  # leases run out meanwhile: others take it over
                self._roster.estate = ()
            return
        self._leaving = swap.former
        if swap.former and self._cause is not Restart.NONE:
            self._roster.board.count_restart(self._cause)
        if self._hasty:
            pause = self._wait(now)
            log.warning(
                "it reached MAX_MEMORY_MB within %.0f s of being ready: is that too "
                "low? The next one is replaced in %.1f s at the earliest",
                *(YOUNG, pause),
            )
        else:
            self._streak = 0

    def _wait(self, now: float) -> float:
        self._streak += 1
        pause = delay(FREE + self._streak)
        self._next_at = now + pause
        return pause


def _due(
    worker: Worker, settings: Settings, *, heir: bool
) -> tuple[Restart, str] | None:
    """Return why a worker has to go, in one word and in several.

    Args:
        worker: who may have to.
        settings: as always.
        heir: somebody has to start, so that there is one to adopt what dead ones left.
    """
    if worker.slot.state is not State.READY:
        return None
    if heir:
        return Restart.NONE, "makes room for one that adopts what a dead one left"
    done = worker.slot.counters.processed - worker.processed
    most = settings.max_events_per_worker
    if most and done >= limit(most, worker.chance):
        return Restart.EVENTS, f"has done {done} events"
    if settings.max_memory_mb and worker.megabytes >= settings.max_memory_mb:
        return Restart.MEMORY, f"takes {worker.megabytes} MB of memory"
    return None


def limit(most: int, chance: float) -> int:
    """Return how many events one worker may do.

    Args:
        most: MAX_EVENTS_PER_WORKER.
        chance: the worker's, from 0 to 1.
    """
    return most + math.ceil(most * SPREAD * chance)


def _megabytes(pid: int) -> int:
    """Return the resident memory of a process; 0 if it is no more."""
    try:
        return int(psutil.Process(pid).memory_info().rss) >> 20
    except (psutil.Error, OSError):  # it ended, or we have no descriptor to look
        return 0
