"""The pool: CONCURRENCY_LIMIT threads, each running one event at a time.

Owns how many run at once, and how far to read ahead. What one thread does is in
``hand``.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from workflow_worker.board import Slot
from workflow_worker.broker.connection import Link
from workflow_worker.model import Decision, Task
from workflow_worker.worker.beside import Beside
from workflow_worker.worker.committer import Committer
from workflow_worker.worker.doorbell import Doorbell
from workflow_worker.worker.effects import Means, RunEffects, ServerClock
from workflow_worker.worker.flusher import Flusher
from workflow_worker.worker.hand import Hand
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.threads import spawn

if TYPE_CHECKING:
    from workflow_worker.runtime.execute import Runner

AHEAD = 0.05
"""Seconds of work worth having queued: more would only wait here, away from others."""
_SLOW = 1.0
"""First guess of how long an event runs: nothing is read ahead before the first one."""


class Pool:
    """Threads that run tasks.

    Args:
        threads: how many, CONCURRENCY_LIMIT.
        most_ahead: most tasks queued, BATCH_SIZE.
        runner: runs workflows.
        leases: what is held.
        slot: the board; each thread shows there what it runs.
        redis_url: for the connections on which threads write journals.
        max_deliveries: an event handed out more often is poison.
        namespace: first part of every idempotency key.
    """

    def __init__(
        self,
        threads: int,
        most_ahead: int,
        runner: Runner,
        leases: Leases,
        slot: Slot,
        redis_url: str,
        max_deliveries: int,
        namespace: str,
    ) -> None:
        self.runner = runner
        self.leases = leases
        self.clock = ServerClock()
        self.queue: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self.room_bell = Doorbell()
        self.committer: Committer
        self._slot = slot
        self._redis_url = redis_url
        self._max_deliveries = max_deliveries
        self._namespace = namespace
        self._means = Means(
            leases,
            runner.version_of,
            self.clock,
            Beside(threads),
            Flusher(Link(redis_url)),
            namespace,
        )
        self._count = threads
        self._most_ahead = most_ahead
        self._pace = _SLOW
        self._threads: list[threading.Thread] = []

    def start(self, committer: Committer) -> None:
        """Start the threads."""
        self.committer = committer
        spawn("flusher", self._means.flusher.run)
        for number in range(self._count):
            work = self._hand(number).work
            self._threads.append(spawn(f"pool-{number}", work))

    def _hand(self, number: int) -> Hand:
        lane = self._slot.lane(number)
        effects = RunEffects(self._means, lane, Link(self._redis_url))
        self._means.flusher.watch(effects)
        return Hand(
            self.queue,
            self.leases,
            self.runner,
            lane,
            effects,
            self._max_deliveries,
            self._decided,
            self.room_bell.ring,
        )

    def _decided(self, task: Task, decision: Decision, seconds: float) -> None:
        # Races between threads only blur the mean.
        self._pace = self._pace * 0.8 + max(seconds, 1e-6) * 0.2
        self.committer.put((task, decision))

    def serve(self, epoch: str) -> None:
        """Note which database it is: idempotency keys must not repeat on another."""
        self._means.scope = f"{self._namespace}:{epoch}"

    def put(self, tasks: list[Task]) -> None:
        """Queue tasks that are held."""
        for task in tasks:
            self.queue.put(task)

    def room(self) -> int:
        """Return how many more events are wanted now.

        Every free thread is worth a read at once; reading ahead only in gulps, for a
        round trip costs the same for one entry as for many.
        """
        most = self._most_ahead
        waiting = self.committer.waiting
        if waiting > 8 * most:
            return 0
        ahead = min(most, int(AHEAD / self._pace * self._count))
        used = len(self.leases.held) - waiting
        room = self._count + ahead - used
        if used >= self._count and room * 2 < ahead:
            return 0
        return min(room, most)

    def hurried(self) -> bool:
        """Tell whether the next event ends within about a millisecond."""
        return self._pace < 0.001 and not self.queue.empty()  # noqa: PLR2004 - a ms

    def withdraw(self) -> list[Task]:
        """Take back what no thread has begun."""
        unstarted: list[Task] = []
        while True:
            try:
                task = self.queue.get_nowait()
            except queue.Empty:
                return unstarted
            if task is not None:
                unstarted.append(task)

    def end(self) -> None:
        """Let every thread finish what it runs, however long that takes."""
        for _ in self._threads:
            self.queue.put(None)
        for thread in self._threads:
            thread.join()
