"""What a run may ask of its worker: the port ``Effects``, on real clocks and Redis.

Owns how journal entries get into Redis, from whichever thread: one call that does not
wait, and one that waits for as long as Redis is away.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from workflow_worker.board import Lane
from workflow_worker.broker import journal
from workflow_worker.broker.connection import Link
from workflow_worker.broker.journal import Appended
from workflow_worker.clock import monotonic, sleep, wall_ms
from workflow_worker.errors import LeaseLost, Rejected, Unavailable
from workflow_worker.locks import Locks
from workflow_worker.model import Task
from workflow_worker.ports import HeldLock, Unsaved
from workflow_worker.worker.beside import Beside
from workflow_worker.worker.flusher import Flusher
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.limiter import Limiter
from workflow_worker.worker.watch import GRACE, Watch, earliest

log = logging.getLogger(__name__)

LONGEST_PAUSE = 0.02
"""Seconds an execution may sleep in its thread; a longer sleep gives the thread up.

To suspend and wake costs two round trips more. A pool whose threads all slept a second
would let nobody else run for as long.
"""


JITTER_MS = 50
"""Milliseconds by which answers of the server may differ because they were slow."""


def show(lane: Lane, task: Task, deadline: float, *, begun: bool = True) -> None:
    """Show on the board that a thread runs this task from now on.

    Args:
        lane: of the thread.
        task: what it runs.
        deadline: when the process is to be killed for it.
        begun: False where it only takes note of how the last run ended: then a death of
            the process is not its fault, and its heir takes note of the same.
    """
    ms, _, sequence = task.entry.partition("-")
    workflow, execution_id = task.workflow.encode(), task.execution_id.encode()
    deliveries = task.deliveries if begun else 0
    lane.start(int(ms), int(sequence), deliveries, workflow, execution_id, deadline)


class Tried(Protocol):
    """See :meth:`workflow_worker.worker.meter.Meter.tried`."""

    def __call__(
        self, action: str, seconds: float | None, error: str, /, *, last: bool
    ) -> None:
        """Note that a try of an action ended."""


class ServerClock:
    """The server's wall clock as the last take told it; the host's may be hours off."""

    def __init__(self) -> None:
        self._offset = wall_ms() - monotonic() * 1000

    def set(self, server_ms: int) -> None:
        """Note what the server's clock said a moment ago."""
        found = server_ms - monotonic() * 1000
        # The quickest answer tells best; and a slower one must not turn time back.
        if not 0 <= self._offset - found < JITTER_MS:
            self._offset = found

    def now_ms(self) -> int:
        """Return ms since the epoch."""
        return int(self._offset + monotonic() * 1000)


@dataclass(slots=True)
class Means:
    """What all threads of the pool share.

    Attributes:
        leases: what is held.
        version_of: the current version of a workflow.
        clock: the server's.
        beside: threads for submitted actions.
        flusher: stores what a run has not stored itself for a while.
        limiter: stops what takes too long, where it can be stopped.
        locks: distributed ones.
        event_timeout: seconds a run may take; 0 for as long as it takes.
        scope: namespace and epoch; whoever connects completes it.
        tried: is told of every try of an action; see ``Meter``.
    """

    leases: Leases
    version_of: Callable[[str], str]
    clock: ServerClock
    beside: Beside
    flusher: Flusher
    limiter: Limiter
    locks: Locks
    event_timeout: float
    scope: str
    tried: Tried


class Saver:
    """Appends to the journal of one task over one link, without waiting for Redis."""

    def __init__(self, means: Means, task: Task, link: Link) -> None:
        self.task = task
        self._means = means
        self._link = link

    def append(
        self,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...] = (),
    ) -> bool:
        """See ``Appender``.

        Raises:
            LeaseLost: another worker owns the execution now.
            Unavailable, Rejected: Redis can't take it now; nothing was written.
        """
        means, task = self._means, self.task
        appended = journal.append(
            self._link,
            means.leases.owner_of(task),
            task,
            entries,
            journaled,
            means.version_of(task.workflow),
            consumed,
        )
        if appended is Appended.LOST:
            raise LeaseLost(task.execution_id)
        return appended is Appended.CANCEL


class RunEffects:
    """The ``Effects`` of whatever one thread of the pool runs.

    Args:
        means: shared with the other threads.
        lane: where the board shows this one.
        link: this thread's alone.
    """

    def __init__(self, means: Means, lane: Lane, link: Link) -> None:
        self._means = means
        self._lane = lane
        self._link = link
        self._task: Task | None = None
        self._noting = False
        """So far it only takes note of what its last worker was killed for."""
        self._alive_until = 0.0
        """Monotonic seconds: EVENT_TIMEOUT_MS after the last sign of life; 0: never."""
        self._bound = 0.0
        """Monotonic seconds when the workflow's time is surely over; 0: never."""
        self._waiting: tuple[Unsaved, Task, float] | None = None
        """What waits to be stored, in whose journal, since when; read by the flusher's
        thread, so it is only ever replaced as a whole."""

    def begin(self, task: Task) -> float:
        """Be the effects of this task from now on.

        Returns:
            When, in monotonic seconds, the process is to be killed for it; 0: never.
        """
        self._task = task
        self._noting = task.overdue is not None
        self._bound = 0.0
        self._alive_until = 0.0
        self.alive()
        return self._alive_until

    def end(self) -> None:
        """Forget what waits: it is in the task's decision, or void."""
        self._waiting = None

    # --- for the flusher ----------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether entries may not be durable yet."""
        return self._waiting is not None

    def save(self, link: Link, before: float) -> None:
        """Store entries that wait since before then.

        Raises:
            LeaseLost: another worker owns the execution now.
            Unavailable, Rejected: not now.
        """
        waiting = self._waiting
        if waiting is None or waiting[2] > before:
            return
        entries, task, _ = waiting
        entries.store(Saver(self._means, task, link))
        # Whatever came meanwhile has announced itself anew.
        if self._waiting is waiting:
            self._waiting = None

    # --- for the run --------------------------------------------------------------

    @property
    def scope(self) -> str:
        """See ``Effects``."""
        return self._means.scope

    def now_ms(self) -> int:
        """See ``Effects``."""
        return self._means.clock.now_ms()

    def monotonic(self) -> float:
        """See ``Effects``."""
        return monotonic()

    def random(self) -> float:
        """See ``Effects``."""
        return random.random()  # noqa: S311 - no secret

    def uuid(self) -> str:
        """See ``Effects``."""
        return str(uuid.uuid4())

    def append(
        self,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...] = (),
    ) -> bool:
        """See ``Effects``; while Redis is away the execution waits here."""
        saver = Saver(self._means, self._own(), self._link)
        pause = 0.05
        while True:
            try:
                return saver.append(entries, journaled, consumed)
            except (Unavailable, Rejected) as error:
                log.debug("journal of %s waits: %s", saver.task.execution_id, error)
                sleep(pause)
                pause = min(pause * 2, 1.0)

    def unsaved(self, entries: Unsaved) -> None:
        """See ``Effects``; the flusher looks after them."""
        self._waiting = (entries, self._own(), monotonic())
        self._means.flusher.wake()

    def bounded(self, seconds: float) -> None:
        """See ``Effects``."""
        self._bound = monotonic() + max(seconds, 0.0) + GRACE
        self._lane.extend(self.deadline)

    @property
    def deadline(self) -> float:
        """When, in monotonic seconds, the process is to be killed; 0: never."""
        return earliest(self._alive_until, self._bound)

    def alive(self) -> None:
        """Have EVENT_TIMEOUT_MS count from now on."""
        if self._means.event_timeout:
            self._alive_until = monotonic() + self._means.event_timeout
            self._lane.extend(self.deadline)

    def enter(
        self, action: str, ordinal: int, seconds: float | None, *, beside: bool
    ) -> Watch:
        """See ``Effects``; an action starts only on a lease that is surely held."""
        self.ensure()
        lane = self._lane
        if beside:
            lane = self._means.beside.lane()
        if beside or self._noting:
            self._noting = self._noting and beside
            show(lane, self._own(), self.deadline)
        limit = None if seconds is None else self._means.limiter.limit(seconds)
        watch = Watch(self, lane, limit, beside=beside)
        lane.acting(action.encode(), ordinal, watch.deadline)
        return watch

    def tried(
        self, action: str, seconds: float | None, error: str, *, last: bool
    ) -> None:
        """See ``Effects``."""
        self._means.tried(action, seconds, error, last=last)

    def lock(
        self, name: str, ttl: float | timedelta, wait: float | timedelta
    ) -> AbstractContextManager[HeldLock]:
        """See ``Effects``."""
        return self._means.locks.lock(name, ttl, wait)

    def ensure(self) -> None:
        """Return only if this worker surely owns the execution for a while.

        While Redis is away the execution waits here.

        Raises:
            LeaseLost: another worker owns it.
        """
        leases = self._means.leases
        if leases.fresh():
            return
        task = self._own()
        while True:
            try:
                leases.ensure(task)
            except Unavailable:
                sleep(0.1)
            else:
                return

    def lost(self) -> bool:
        """See ``Effects``."""
        return self._task is None or not self._means.leases.owns(self._task)

    def beside(self, work: Callable[[], None]) -> None:
        """See ``Effects``."""
        self._means.beside.run(work)

    def pause(self, seconds: float) -> bool:
        """See ``Effects``; what takes longer must not hold a thread."""
        if seconds >= LONGEST_PAUSE:
            return False
        sleep(seconds)
        return True

    def _own(self) -> Task:
        if self._task is None:
            raise LeaseLost("no execution runs in this thread")
        return self._task
