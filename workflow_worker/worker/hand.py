"""One thread of the pool: runs one event at a time, and is the run's ``Effects``.

It makes sure the lease is young enough, runs the function and hands the decision to the
committer; it never waits for the commit.
"""

from __future__ import annotations

import logging
import random
import traceback
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from workflow_worker import log as logs
from workflow_worker.board import Lane
from workflow_worker.broker.connection import Link
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import (
    ErrorCategory,
    LeaseLost,
    Rejected,
    Unavailable,
    qualified_name,
)
from workflow_worker.model import Decision, Failure, Outcome, Task, Unsaved
from workflow_worker.worker.flusher import Saver

if TYPE_CHECKING:
    from workflow_worker.worker.pool import Pool

log = logging.getLogger(__name__)

LONGEST_PAUSE = 0.02
"""Seconds an execution may sleep in its thread; a longer sleep gives the thread up.

To suspend and to wake costs two or three milliseconds of work all told. Ten threads that
slept a second each would let nobody else run for as long.
"""


class Hand:
    """One thread's part: runs one event at a time, and is the run's ``Effects``."""

    def __init__(self, pool: Pool, number: int) -> None:
        self._pool = pool
        self._lane: Lane = pool.slot.lane(number)
        self._link = Link(pool.redis_url)
        self._task: Task | None = None
        self._waiting: tuple[Unsaved, Task, float] | None = None
        """What waits to be stored, in whose journal, since when; read by another
        thread, so it is only ever replaced as a whole."""

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
            self._waiting = None
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

    def unsaved(self, entries: Unsaved) -> None:
        """See ``Effects``; the flusher looks after them."""
        self._waiting = (entries, self._own(), monotonic())
        self._pool.flusher.wake()

    @property
    def waiting(self) -> bool:
        """Whether entries may not be durable yet."""
        return self._waiting is not None

    def save(self, link: Link, before: float) -> None:
        """Store entries that wait since before then; called by the flusher's thread.

        Raises:
            LeaseLost: another worker owns the execution now.
            Unavailable, Rejected: not now.
        """
        waiting = self._waiting
        if waiting is None or waiting[2] > before:
            return
        entries, task, _ = waiting
        entries.store(Saver(self._pool, task, link))
        # Whatever came meanwhile has announced itself anew.
        if self._waiting is waiting:
            self._waiting = None

    # --- the run's effects -----------------------------------------------------------

    @property
    def scope(self) -> str:
        """See ``Effects``."""
        return self._pool.scope

    def now_ms(self) -> int:
        """See ``Effects``."""
        return self._pool.now_ms()

    def monotonic(self) -> float:
        """See ``Effects``."""
        return monotonic()

    def random(self) -> float:
        """See ``Effects``."""
        return random.random()  # noqa: S311 - no secret

    def uuid(self) -> str:
        """See ``Effects``."""
        return str(uuid.uuid4())

    def acting(self, action: str) -> None:
        """See ``Effects``; an action starts only on a lease that is surely held."""
        if action:
            self.ensure()
        self._lane.acting(action.encode())

    def ensure(self) -> None:
        """See ``Effects``."""
        if not self._pool.leases.fresh():
            self._ensure(self._own())

    def lost(self) -> bool:
        """See ``Effects``."""
        return self._task is None or not self._pool.leases.owns(self._task)

    def beside(self, work: Callable[[], None]) -> None:
        """See ``Effects``."""
        self._pool.beside.run(work)

    def pause(self, seconds: float) -> bool:
        """See ``Effects``; what takes longer must not hold a thread."""
        if seconds >= LONGEST_PAUSE:
            return False
        sleep(seconds)
        return True

    def append(
        self,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...] = (),
    ) -> bool:
        """See ``Effects``; while Redis is away the execution waits here."""
        saver = Saver(self._pool, self._own(), self._link)
        pause = 0.05
        while True:
            try:
                return saver.append(entries, journaled, consumed)
            except (Unavailable, Rejected) as error:
                log.debug("journal of %s waits: %s", saver.task.execution_id, error)
                sleep(pause)
                pause = min(pause * 2, 1.0)

    def _own(self) -> Task:
        if self._task is None:
            raise LeaseLost("no execution runs in this thread")
        return self._task

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
