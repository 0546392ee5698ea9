"""Whether a thread of the pool may begin what it took off the queue.

Owns the order of the questions: is there a flood of it, is it a suspect, is one about.
What may not begin now is put back, uncounted; what waits is not begun.
"""

from __future__ import annotations

import logging

from workflow_worker.board import Lane
from workflow_worker.broker.connection import Link
from workflow_worker.clock import sleep
from workflow_worker.errors import Rejected, Unavailable
from workflow_worker.model import PutBack, Task
from workflow_worker.worker.floods import Floods
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.putback import delay_ms, put_back, waited_ms
from workflow_worker.worker.quarantine import Quarantine

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds a suspect waits for its worker to come to rest before it tries another."""
TRIED_MS = 60_000
"""Milliseconds of that after which it waits as long as it takes."""
_LONGEST_MS = 5000
"""Longest that a suspect is put back for, in milliseconds."""
_LOOK = 0.005


class Admission:
    """What stands before one thread.

    Args:
        quarantine: of this worker.
        floods: of this worker.
        leases: what is held.
        lane: where the board shows this thread.
        link: to put back on; this thread's alone.
        retry_max_ms: longest that a held-back retry is put back for.
    """

    def __init__(
        self,
        quarantine: Quarantine,
        floods: Floods,
        leases: Leases,
        lane: Lane,
        link: Link,
        retry_max_ms: int,
    ) -> None:
        self._quarantine = quarantine
        self._floods = floods
        self._leases = leases
        self._lane = lane
        self._link = link
        self._retry_max_ms = retry_max_ms
        self._place = quarantine.place()
        self._alone_from = quarantine.alone_from
        self._isolated = False
        self._retries = False

    def enter(self, task: Task) -> bool:
        """Return once the task may begin; False if it was given back instead."""
        quarantine, place = self._quarantine, self._place
        # First said, then looked: see there.
        place.running = True
        if (
            task.deliveries < self._alone_from
            and not quarantine.closed
            and not self._floods.flooded
        ):
            return True
        place.running = False
        # Meanwhile nothing of it runs.
        self._lane.clear()
        if not self._admitted(task):
            return False
        if self._leases.owns(task):
            return True
        self.leave(task)
        return False

    def leave(self, task: Task) -> None:
        """Note that what was admitted came to its decision, or was dropped."""
        if self._isolated:
            self._end_isolation(task)
        self._place.running = False
        if self._retries:
            self._retries = False
            self._floods.end()

    def _admitted(self, task: Task) -> bool:
        if self._quarantine.is_suspect(task):
            return self._isolate(task)
        if self._is_flood(task) and not self._begin_retry():
            self._put_back(task, PutBack.FLOOD, self._retry_max_ms)
            return False
        if self._quarantine.enter(self._place):
            return True
        self.leave(task)
        self._give_back(task)
        return False

    def _is_flood(self, task: Task) -> bool:
        retries = task.record is not None and task.record.retry
        return (
            retries and task.overdue is None and task.workflow in self._floods.flooded
        )

    def _begin_retry(self) -> bool:
        self._retries = self._floods.begin()
        return self._retries

    def _isolate(self, task: Task) -> bool:
        """Have a suspect run alone; else put it back for another worker."""
        if self._is_alone(task):
            self._isolated = True
            log.warning(
                "%s runs alone: its worker died %d times while it ran",
                task.execution_id,
                task.deliveries - 1,
            )
            return True
        if self._quarantine.draining:
            self._give_back(task)
        else:
            self._put_back(task, PutBack.SUSPECT, _LONGEST_MS)
        return False

    def _is_alone(self, task: Task) -> bool:
        quarantine = self._quarantine
        locked = task.deliveries >= quarantine.locked_from
        patience: float | None = PATIENCE
        if waited_ms(task, PutBack.SUSPECT) > TRIED_MS:
            patience = None
        # A death of the whole instance counts against all that wait in it, so what has
        # come so far does not wait for others of its kind.
        if not quarantine.close(0.0 if locked else patience):
            return False
        # One that may wait for hours must not hold the lock meanwhile; others ask for
        # it first, so as not to stop a whole worker for nothing.
        early = locked and patience is not None
        if (
            (not early or self._lock(task))
            and quarantine.rest(self._place, patience)
            and (early or not locked or self._lock(task))
        ):
            return True
        self._place.running = False
        self._leases.end_quarantine()
        quarantine.open()
        return False

    def _lock(self, task: Task) -> bool:
        try:
            return self._leases.begin_quarantine(task)
        except (Unavailable, Rejected) as error:
            log.debug("quarantine of %s waits: %s", task.execution_id, error)
            return False

    def _end_isolation(self, task: Task) -> None:
        # A process that was damaged may die of it a little later: until its commit it
        # is shown as running, and nothing else begins.
        while self._leases.owns(task):
            sleep(_LOOK)
        self._lane.clear()
        self._isolated = False
        self._leases.end_quarantine()
        self._quarantine.open()

    def _give_back(self, task: Task) -> None:
        put_back(self._link, self._leases, task, PutBack.DRAIN, 0, lambda: True)

    def _put_back(self, task: Task, why: PutBack, most_ms: int) -> None:
        delay = delay_ms(task, why, most_ms)
        log.debug("%s put back for %d ms (%s)", task.execution_id, delay, why)
        put_back(
            self._link,
            self._leases,
            task,
            why,
            delay,
            lambda: self._quarantine.draining,
        )
