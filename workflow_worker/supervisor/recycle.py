"""Recycling: a worker that has done enough, or has grown too large, is replaced.

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


class Recycling:
    """Whoever is due, one at a time."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._swap: Swap | None = None
        self._cause = Restart.NONE
        self._leaving: Worker | None = None
        self._look_at = 0.0
        self._streak = 0

    @property
    def busy(self) -> bool:
        """A newcomer is awaited."""
        return self._swap is not None

    def step(self, settings: Settings, fork: ForkWorker, now: float) -> None:
        """Bring the replacement under way forward, or begin one that is due."""
        if not self._swap and now >= self._look_at:
            self._look_at = now + LOOK_EVERY
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

    def _begin(self, settings: Settings, fork: ForkWorker) -> None:
        if self._leaving and self._leaving.pid in self._roster.workers:
            return
        seats = {seat.worker: seat for seat in self._roster.seats if seat.worker}
        # In the order of their starts: else the first seat's would be due for ever.
        for worker in self._roster.workers.values():
            why = _due(worker, settings) if worker in seats else None
            if why:
                self._cause, text = why
                log.info("worker %d %s: it is replaced", worker.slot.index, text)
                grace = settings.shutdown_timeout_ms / 1000
                seat = seats[worker]
                self._swap = Swap(self._roster, seat, fork, grace, self._cause)
                return

    def _ended(self, swap: Swap, now: float) -> None:
        self._swap = None
        if swap.failed:
            self._streak += 1
            pause = delay(FREE + self._streak)
            self._look_at = now + pause
            log.warning("not replaced: %s; next try in %.1f s", swap.failed, pause)
            return
        self._streak = 0
        self._leaving = swap.former
        if swap.former:
            self._roster.board.count_restart(self._cause)


def _due(worker: Worker, settings: Settings) -> tuple[Restart, str] | None:
    """Return why a worker has to go, in one word and in several."""
    if worker.slot.state is not State.READY:
        return None
    done = worker.slot.counts()[0] - worker.processed
    most = settings.max_events_per_worker
    if most and done >= limit(most, worker.chance):
        return Restart.EVENTS, f"has done {done} events"
    if settings.max_memory_mb:
        size = _megabytes(worker.pid)
        if size >= settings.max_memory_mb:
            return Restart.MEMORY, f"takes {size} MB of memory"
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
    except psutil.Error:
        return 0
