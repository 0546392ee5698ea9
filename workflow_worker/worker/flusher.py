"""Journal entries become durable within 10 ms, whatever their workflow does.

The thread that runs a workflow stores what it has seen when it comes to its next
action, or with its commit. That may be long hence: the flusher stores what has waited.
It sleeps while nothing waits, for waking a thread costs more than a round trip.
"""

from __future__ import annotations

import logging
from typing import Protocol

from workflow_worker.broker.connection import Link
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import LeaseLost, Rejected, Unavailable
from workflow_worker.worker.doorbell import Doorbell

log = logging.getLogger(__name__)

PATIENCE = 0.01
"""Seconds an entry may wait for its thread to store it."""


class Source(Protocol):
    """One thread whose runs leave entries."""

    @property
    def waiting(self) -> bool:
        """Whether entries may not be durable yet."""

    def save(self, link: Link, before: float) -> None:
        """Store entries that wait since before then, in monotonic seconds.

        Raises:
            LeaseLost: another worker owns the execution now.
            Unavailable, Rejected: Redis can't take them now.
        """


class Flusher:
    """Stores what has waited long enough.

    Args:
        link: for this alone.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._sources: tuple[Source, ...] = ()
        self._bell = Doorbell()

    def watch(self, source: Source) -> None:
        """Look after the entries of one more thread."""
        self._sources += (source,)

    def wake(self) -> None:
        """Note that entries wait; costs next to nothing while it is awake."""
        self._bell.ring()

    def run(self) -> None:
        """Work for ever; the process ends without asking."""
        while True:
            self._bell.sleeping = True
            if not any(source.waiting for source in self._sources):
                self._bell.sleep()
            self._bell.sleeping = False
            sleep(PATIENCE)
            for source in self._sources:
                self._save(source)

    def _save(self, source: Source) -> None:
        try:
            source.save(self._link, monotonic() - PATIENCE)
        except LeaseLost:
            # Its own thread learns it where it can act on it: at the next action.
            log.debug("entries of a lost lease are not stored")
        except (Unavailable, Rejected) as error:
            log.debug("entries wait: %s", error)
