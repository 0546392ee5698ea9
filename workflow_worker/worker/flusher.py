"""Journal entries become durable within 10 ms, whatever their workflow does.

The thread that runs a workflow stores what it has seen when it comes to its next
action, or with its commit. That may be long hence: the flusher stores what has waited.
It sleeps while nothing waits, for waking a thread costs more than a round trip.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workflow_worker.broker import journal
from workflow_worker.broker.connection import Link
from workflow_worker.broker.journal import Appended
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import LeaseLost, Rejected, Unavailable
from workflow_worker.model import Task
from workflow_worker.worker.doorbell import Doorbell

if TYPE_CHECKING:
    from workflow_worker.worker.hand import Hand
    from workflow_worker.worker.pool import Pool

log = logging.getLogger(__name__)

PATIENCE = 0.01
"""Seconds an entry may wait for its thread to store it."""


class Saver:
    """Appends to the journal of one task over one link; does not wait for Redis.

    Raises from ``append``:
        LeaseLost: another worker owns the execution now.
        Unavailable, Rejected: Redis can't take it now; nothing was written.
    """

    def __init__(self, pool: Pool, task: Task, link: Link) -> None:
        self.task = task
        self._pool = pool
        self._link = link

    def append(
        self,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...] = (),
    ) -> bool:
        """See ``Appender``."""
        pool, task = self._pool, self.task
        appended = journal.append(
            self._link,
            pool.leases.owner_of(task),
            task,
            entries,
            journaled,
            pool.runner.version_of(task.workflow),
            consumed,
        )
        if appended is Appended.LOST:
            raise LeaseLost(task.execution_id)
        return appended is Appended.CANCEL


class Flusher:
    """Stores what has waited long enough.

    Attributes:
        hands: whose entries it looks after.
    """

    def __init__(self, pool: Pool) -> None:
        self.hands: list[Hand] = []
        self._link = Link(pool.redis_url)
        self._bell = Doorbell()

    def wake(self) -> None:
        """Note that entries wait; costs next to nothing while it is awake."""
        self._bell.ring()

    def run(self) -> None:
        """Work for ever; the process ends without asking."""
        while True:
            self._bell.sleeping = True
            if not any(hand.waiting for hand in self.hands):
                self._bell.sleep()
            self._bell.sleeping = False
            sleep(PATIENCE)
            for hand in self.hands:
                self._save(hand)

    def _save(self, hand: Hand) -> None:
        try:
            hand.save(self._link, monotonic() - PATIENCE)
        except LeaseLost:
            # Its own thread learns it where it can act on it: at the next action.
            log.debug("entries of a lost lease are not stored")
        except (Unavailable, Rejected) as error:
            log.debug("entries wait: %s", error)
