"""The pool: CONCURRENCY_LIMIT threads, each running one event at a time.

Owns how many run at once. A thread takes the next task, makes sure the lease is young
enough, runs the function and hands the decision to the committer; it never waits for
the commit.
"""

from __future__ import annotations

import logging
import queue
import threading
import traceback
from typing import TYPE_CHECKING

from workflow_worker import log as logs
from workflow_worker.board import Lane, Slot
from workflow_worker.broker import journal
from workflow_worker.broker.connection import Link
from workflow_worker.clock import monotonic, sleep, wall_ms
from workflow_worker.errors import (
    ErrorCategory,
    LeaseLost,
    Rejected,
    Unavailable,
    qualified_name,
)
from workflow_worker.model import Decision, Failure, Outcome, Task
from workflow_worker.worker.committer import Committer
from workflow_worker.worker.doorbell import Doorbell
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.threads import spawn

if TYPE_CHECKING:
    from workflow_worker.runtime.execute import Runner

log = logging.getLogger(__name__)

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
    ) -> None:
        self.runner = runner
        self.leases = leases
        self.slot = slot
        self.redis_url = redis_url
        self.max_deliveries = max_deliveries
        self.queue: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self.room_bell = Doorbell()
        self.committer: Committer
        self._count = threads
        self._most_ahead = most_ahead
        self._pace = _SLOW
        self._threads: list[threading.Thread] = []

    def start(self, committer: Committer) -> None:
        """Start the threads."""
        self.committer = committer
        for number in range(self._count):
            hand = _Hand(self, number)
            self._threads.append(spawn(f"pool-{number}", hand.work))

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

    def ran(self, seconds: float) -> None:
        """Note how long an event took; races between threads only blur the mean."""
        self._pace = self._pace * 0.8 + max(seconds, 1e-6) * 0.2

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


class _Hand:
    """One thread's part: runs one event at a time, and is the run's ``Effects``."""

    def __init__(self, pool: Pool, number: int) -> None:
        self._pool = pool
        self._lane: Lane = pool.slot.lane(number)
        self._link = Link(pool.redis_url)
        self._task: Task | None = None

    def work(self) -> None:
        """Run tasks until told to end."""
        pool, lane = self._pool, self._lane
        while True:
            task = pool.queue.get()
            if task is None:
                break
            if pool.leases.owns(task):
                self._run(task)
            if pool.queue.empty():
                lane.clear()
            pool.room_bell.ring()
        self._link.close()

    def _run(self, task: Task) -> None:
        self._task = task
        ms, _, sequence = task.entry.partition("-")
        workflow, execution_id = task.workflow.encode(), task.execution_id.encode()
        self._lane.start(
            int(ms), int(sequence), task.deliveries, workflow, execution_id
        )
        logs.running(task.execution_id)
        begun = monotonic()
        try:
            decision = self._decide(task)
        except LeaseLost:
            log.info("run dropped: its lease is lost")
            self._pool.leases.release(task)
        else:
            seconds = monotonic() - begun
            self._pool.ran(seconds)
            if log.isEnabledFor(logging.DEBUG):
                _describe(task, decision, seconds)
            self._pool.committer.put((task, decision))
        finally:
            logs.running("")

    def _decide(self, task: Task) -> Decision:
        pool = self._pool
        if not pool.leases.fresh():
            self._ensure(task)
        if task.deliveries > pool.max_deliveries:
            return _poison(task)
        try:
            return pool.runner.run(task, self)
        except Exception as error:
            # The runtime turns every error of user code into a decision: this one is
            # ours. The event must not suffer it in silence, nor its neighbours at all.
            log.exception("the runtime failed on %s", task.execution_id)
            return _broken(task, error)

    def now_ms(self) -> int:
        """See ``Effects``."""
        return wall_ms()

    def monotonic(self) -> float:
        """See ``Effects``."""
        return monotonic()

    def acting(self, action: str) -> None:
        """See ``Effects``; an action starts only on a lease that is surely held."""
        if action and self._task is not None and not self._pool.leases.fresh():
            self._ensure(self._task)
        self._lane.acting(action.encode())

    def append(self, entries: tuple[bytes, ...], journaled: int) -> None:
        """See ``Effects``; while Redis is away the execution waits here."""
        task = self._task
        if task is None:
            raise LeaseLost("no execution runs in this thread")
        pool = self._pool
        owner = pool.leases.owner_of(task)
        version = pool.runner.version_of(task.workflow)
        pause = 0.05
        while True:
            try:
                durable = journal.append(
                    self._link, owner, task, entries, journaled, version
                )
            except (Unavailable, Rejected) as error:
                log.debug("journal of %s waits: %s", task.execution_id, error)
                sleep(pause)
                pause = min(pause * 2, 1.0)
            else:
                break
        if not durable:
            raise LeaseLost(task.execution_id)

    def _ensure(self, task: Task) -> None:
        """Wait until the lease is surely held; however long Redis is away."""
        while True:
            try:
                self._pool.leases.ensure(task)
            except Unavailable:
                sleep(0.1)
            else:
                return


def _describe(task: Task, decision: Decision, seconds: float) -> None:
    log.debug(
        "%s of event %s: %s after %.1f ms, delivery %d%s",
        task.workflow,
        task.event.name if task.event else "?",
        decision.outcome,
        seconds * 1000,
        task.deliveries,
        f": {decision.failure.error_type}: {decision.failure.message}"
        if decision.failure
        else "",
    )


def _poison(task: Task) -> Decision:
    times = task.deliveries - 1
    failure = Failure(
        category=ErrorCategory.PERMANENT.value,
        error_type="Poison",
        message=f"its worker died {times} times while it ran; not run again",
        attempts=times,
    )
    return Decision(Outcome.FAILED, failure=failure, journaled=len(task.journal))


def _broken(task: Task, error: Exception) -> Decision:
    failure = Failure(
        category=ErrorCategory.PERMANENT.value,
        error_type=qualified_name(type(error)),
        message=str(error),
        traceback="".join(traceback.format_exception(error)),
        attempts=task.deliveries,
    )
    return Decision(Outcome.FAILED, failure=failure, journaled=len(task.journal))
