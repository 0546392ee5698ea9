"""Workers without a sign of life: their stacks go to the log, then they are killed.

Owns how long silence may be, and the order: stacks first. It must never take a pause of
the whole service, or of its machine, for that of one worker.
"""

from __future__ import annotations

import logging

from workflow_worker.board import Restart, State
from workflow_worker.health import START_GRACE
from workflow_worker.supervisor.dumps import Dumps
from workflow_worker.supervisor.roster import Roster
from workflow_worker.supervisor.seats import Worker

log = logging.getLogger(__name__)

PAUSED = 5.0
"""Seconds between two looks, meant to be one at most: nobody ran meanwhile."""


class Hangs:
    """Who is silent; the master looks once a second or oftener."""

    def __init__(self, roster: Roster, dumps: Dumps, now: float) -> None:
        self._roster = roster
        self._dumps = dumps
        self._accused: dict[int, float] = {}
        """When each last gave a sign of life, by pid."""
        self._looked_at = now
        self._resumed_at = 0.0

    def press(self, hang_timeout: float, now: float) -> None:
        """Accuse who is silent for too long; kill whose stacks have come since.

        Args:
            hang_timeout: seconds; one that imports its App, while no heart beats, has
                START_GRACE at least.
            now: monotonic seconds.
        """
        if now - self._looked_at > PAUSED:
            self._resumed_at = now
        self._looked_at = now
        workers = self._roster.workers
        self._accused = {
            pid: beat for pid, beat in self._accused.items() if pid in workers
        }
        for worker in workers.values():
            if worker.struck:
                continue
            if worker.pid in self._accused:
                self._decide(worker, now)
            elif self._silence(worker, now) > self._patience(worker, hang_timeout):
                self._accuse(worker, now)

    def _patience(self, worker: Worker, hang_timeout: float) -> float:
        # What it adopted it may run before it is ready: then it has begun.
        if worker.slot.state is State.STARTING and not worker.slot.busy():
            return max(hang_timeout, START_GRACE)
        return hang_timeout

    def _silence(self, worker: Worker, now: float) -> float:
        return now - max(worker.slot.heartbeat, self._resumed_at)

    def _accuse(self, worker: Worker, now: float) -> None:
        self._accused[worker.pid] = worker.slot.heartbeat
        self._dumps.ask(worker.pid, now)
        log.warning(
            "worker %d hangs, no heartbeat for %.1f s: stacks, then SIGKILL",
            worker.slot.index,
            now - worker.slot.heartbeat,
        )

    def _decide(self, worker: Worker, now: float) -> None:
        if self._dumps.awaited(worker.pid):
            return
        if worker.slot.heartbeat > self._accused.pop(worker.pid):
            log.warning("worker %d goes on: not killed", worker.slot.index)
            return
        silence = now - worker.slot.heartbeat
        log.error(
            "worker %d is killed: no heartbeat for %.1f s", worker.slot.index, silence
        )
        self._roster.strike(worker, Restart.HUNG)
