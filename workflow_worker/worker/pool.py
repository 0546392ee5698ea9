"""The pool: CONCURRENCY_LIMIT threads, each running one event at a time.

Owns how many run at once, and how far to read ahead. What one thread does is in
``hand``.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from workflow_worker.board import Slot
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.clock import monotonic
from workflow_worker.locks import Locks
from workflow_worker.model import Decision, Outcome, Task
from workflow_worker.settings import Settings
from workflow_worker.threads import spawn
from workflow_worker.worker.admission import Admission
from workflow_worker.worker.beside import Beside
from workflow_worker.worker.committer import Committer
from workflow_worker.worker.doorbell import Doorbell
from workflow_worker.worker.effects import Means, RunEffects, ServerClock
from workflow_worker.worker.floods import Floods
from workflow_worker.worker.flusher import Flusher
from workflow_worker.worker.hand import Hand
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.limiter import Limiter
from workflow_worker.worker.line import Line
from workflow_worker.worker.meter import Meter
from workflow_worker.worker.quarantine import Quarantine
from workflow_worker.worker.vitals import Recent

if TYPE_CHECKING:
    from workflow_worker.runtime.execute import Runner

AHEAD = 0.05
"""Seconds of work worth having queued: more would only wait here, away from others."""
QUICK = 0.0001
"""Seconds below which an event is too short to wake a thread for."""
LINGER, LINGER_MOST = 0.003, 0.008
"""Seconds, least and most, that a commit waits for company.

Every call that is spared spares the server what does not depend on how much it carries.
But what has ended and is not committed runs once more after a kill -9.
"""
_UNCOMMITTED = 100
"""Decisions that may wait in any case before nothing more is read."""
_FAILING = (Outcome.FAILED, Outcome.RETRYING)
_SLOW = 1.0
"""First guess of how long an event runs: nothing is read ahead before the first one."""


class Pool:
    """Threads that run tasks.

    Args:
        settings: CONCURRENCY_LIMIT threads, at most two batches queued; each thread has
            connections of its own.
        runner: runs workflows.
        leases: what is held.
        slot: the board; each thread shows there what it runs.
        meter: is told how long runs and actions took.
    """

    def __init__(
        self,
        settings: Settings,
        runner: Runner,
        leases: Leases,
        slot: Slot,
        meter: Meter,
    ) -> None:
        self.runner = runner
        self.leases = leases
        self.clock = ServerClock()
        self.line = Line()
        self.pressed = False
        """The last take came back full, so there is more: set by whoever reads."""
        self.room_bell = Doorbell()
        self.recent = Recent()
        self._suspects: list[Task] = []
        self.committer: Committer
        self._settings = settings
        self._slot = slot
        self._meter = meter
        self._count = threads = settings.concurrency_limit
        self._batch = settings.batch_size
        self.quarantine = Quarantine(settings.max_deliveries, self._uncommitted)
        self.floods = Floods(max(1, threads // 4), slot.flooded)
        self._means = Means(
            leases,
            runner.version_of,
            self.clock,
            Beside(threads, slot),
            Flusher(Link(settings.redis_url)),
            Limiter(),
            Locks(settings.redis_url, Partition(settings.workflow_namespace)),
            settings.event_timeout_ms / 1000,
            settings.workflow_namespace,
            meter.tried,
        )
        self._pace = _SLOW
        self._threads: list[threading.Thread] = []

    def start(self, committer: Committer) -> None:
        """Start the threads."""
        self.committer = committer
        spawn("flusher", self._means.flusher.run)
        spawn("limiter", self._means.limiter.run)
        for number in range(self._count):
            work = self._hand(number).work
            self._threads.append(spawn(f"pool-{number}", work))

    def _hand(self, number: int) -> Hand:
        lane = self._slot.lane(number)
        url = self._settings.redis_url
        effects = RunEffects(self._means, lane, Link(url))
        self._means.flusher.watch(effects)
        return Hand(
            self.line,
            number,
            self.leases,
            self.runner,
            lane,
            effects,
            self.quarantine,
            Admission(
                self.quarantine,
                self.floods,
                self.leases,
                lane,
                Link(url),
                self._settings.retry_max_ms,
            ),
            self._decided,
            self.room_bell.ring,
        )

    def _uncommitted(self) -> int:
        return self.committer.waiting

    def _decided(self, task: Task, decision: Decision, seconds: float) -> None:
        # Races between threads only blur the mean.
        self._pace = self._pace * 0.8 + max(seconds, 1e-6) * 0.2
        failed = decision.outcome in _FAILING
        self.floods.note(task.workflow, failed=failed)
        self.recent.note(failed=failed)
        if seconds:  # it ran
            self._meter.ran(task.workflow, seconds, self._waited(task, seconds))
        self.committer.put((task, decision))

    def _waited(self, task: Task, seconds: float) -> float | None:
        event = task.event
        first = task.deliveries == 1 and task.record is None
        if not first or event is None or not event.published_ms:
            return None
        since_published = (self.clock.now_ms() - event.published_ms) / 1000
        # Its publisher's clock may be ahead.
        return max(0.0, since_published - seconds)

    def serve(self, epoch: str) -> None:
        """Note which database it is: idempotency keys must not repeat on another."""
        self._means.scope = f"{self._settings.workflow_namespace}:{epoch}"

    def put(self, tasks: list[Task]) -> None:
        """Queue tasks that are held, and wake who is to run them.

        What ends sooner than a thread wakes up is left to one of them: a second is
        called where the first does not get on, see :meth:`rouse`.
        """
        self._suspects += filter(self.quarantine.is_suspect, tasks)
        threads = len(tasks)
        if self._pace < QUICK:
            threads = 0 if self.line else 1
        self.line.put(tasks, threads)

    def rouse(self) -> None:
        """Wake a thread for each task that none has begun."""
        self.line.wake(len(self.line))

    def room(self) -> int:
        """Return how many more events are wanted now.

        Every free thread is worth a read at once; reading ahead only in gulps, for a
        round trip costs the same for one entry as for many. Of short events one batch
        is on its way while another is worked off.
        """
        if self._blocked:
            return 0
        most, used = self._batch, self._used
        ahead = min(2 * most, int(AHEAD / self._pace * self._count))
        room = self._count + ahead - used
        if used >= self._count and room * 2 < ahead:
            return 0
        return min(room, most)

    def busy(self) -> bool:
        """Tell whether every thread has something to run."""
        return self._used >= self._count

    @property
    def _used(self) -> int:
        return len(self.leases.held) - self.committer.waiting

    @property
    def _blocked(self) -> bool:
        waiting = self.committer.waiting
        if waiting > 8 * self._batch + _UNCOMMITTED or self.quarantine.closed:
            return True
        if self._suspects:
            # One that is about to close the gate: a take would come too late to know.
            self._suspects = [each for each in self._suspects if self.leases.owns(each)]
        return bool(self._suspects)

    def linger(self) -> float:
        """Return for how many seconds a commit is worth waiting for more to commit.

        About as long as an event takes, for then every busy thread ends one; 0 where
        hardly any would, or where nothing waits for a thread.
        """
        pace = self._pace
        if not (self.pressed or self.line) or pace * 2 > LINGER_MOST * self._count:
            return 0.0
        return min(max(pace, LINGER), LINGER_MOST)

    def withdraw(self) -> list[Task]:
        """Take back what no thread has begun, and have none begin what waits.

        What a worker was killed for stays: to run it means to note that, and a copy
        would not know.
        """
        self.quarantine.drain()
        queued: list[Task] = []
        while (task := self.line.next()) is not None:
            queued.append(task)
        self.put([task for task in queued if task.overdue])
        return [task for task in queued if not task.overdue]

    def end(self, until: float) -> bool:
        """Let every thread finish what it runs.

        Args:
            until: monotonic seconds to wait for it.

        Returns:
            False if something still runs then.
        """
        self.line.end()
        for thread in self._threads:
            thread.join(max(until - monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)
