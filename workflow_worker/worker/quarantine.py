"""Quarantine: who may run beside whom, so that a death names the event it is owed to.

An event that took down its worker before is a suspect: it runs alone in its worker,
nothing else running and no decision waiting for its commit; later under the partition's
lock as well. Owns who may begin in this process. It must never cost an innocent event
more than a look at a flag, nor stop what runs already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from workflow_worker.clock import monotonic
from workflow_worker.model import Task

ALONE_FROM = 3
"""Deliveries from which on an event runs alone in its worker."""
LOCKED_FROM = 4
"""Deliveries from which on it needs the partition's lock, too."""
_AGAIN = 2
"""Deliveries of whatever ran once before: earlier there is nothing to suspect."""
_LOOK = 0.005
"""Seconds between looks at whether the others came to rest."""


class Place:
    """Where one thread says whether it runs something; only that thread writes it."""

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running = False


class Quarantine:
    """The gate before the threads of one worker.

    A thread first says that it runs and then looks whether the gate is closed; a
    suspect first closes the gate and then looks who runs. So one sees the other.

    Args:
        max_deliveries: an event handed out more often is poison. Where it is small,
            suspicion begins earlier, so that nothing is buried that never ran alone.
        uncommitted: tells how many decisions are not durable yet.

    Attributes:
        closed: a suspect waits or runs: nobody else begins.
        draining: the worker is to end: nobody waits any more.
        alone_from: deliveries of a suspect.
        locked_from: deliveries of one that needs the partition's lock.
    """

    def __init__(self, max_deliveries: int, uncommitted: Callable[[], int]) -> None:
        self.closed = False
        self.draining = False
        self.alone_from = min(ALONE_FROM, max(_AGAIN, max_deliveries))
        self.locked_from = min(LOCKED_FROM, max(_AGAIN, max_deliveries))
        self._most = max_deliveries
        self._uncommitted = uncommitted
        self._places: list[Place] = []
        self._changed = threading.Condition()
        """Guards ``closed`` and ``draining``; notified when either changes."""

    def place(self) -> Place:
        """Return the place of one more thread."""
        place = Place()
        self._places.append(place)
        return place

    def is_suspect(self, task: Task) -> bool:
        """Tell whether a task has to run alone.

        Not what took too long: that is known to have been the cause, and stopped.
        """
        return task.deliveries >= self.alone_from and task.overdue is None

    def is_poison(self, task: Task) -> bool:
        """Tell whether a task is not to run at all any more."""
        return task.deliveries > self._most and task.overdue is None

    def enter(self, place: Place) -> bool:
        """Wait until the gate is open and say that this thread runs.

        Returns:
            False if the worker is to end meanwhile.
        """
        while True:
            place.running = True
            if not self.closed:
                return True
            place.running = False
            with self._changed:
                self._changed.wait_for(lambda: self.draining or not self.closed)
                if self.draining:
                    return False

    def close(self, patience: float | None) -> bool:
        """Close the gate for one suspect; who runs goes on.

        Args:
            patience: seconds to wait for the end of another suspect; None for as long
                as it takes.

        Returns:
            False if that took longer, or the worker is to end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.draining or not self.closed, patience)
            if self.draining or self.closed:
                return False
            self.closed = True
            return True

    def rest(self, place: Place, patience: float | None) -> bool:
        """Wait, with the gate closed, until nothing else runs; say that this one does.

        Args:
            place: of the thread that has the suspect.
            patience: as above.
        """
        deadline = None if patience is None else monotonic() + patience
        while not self._quiet(place):
            with self._changed:
                self._changed.wait(_LOOK)
            if self.draining or (deadline is not None and monotonic() > deadline):
                return False
        place.running = True
        return True

    def open(self) -> None:
        """Let the others begin again."""
        with self._changed:
            self.closed = False
            self._changed.notify_all()

    def drain(self) -> None:
        """Have everybody who waits here give up."""
        with self._changed:
            self.draining = True
            self._changed.notify_all()

    def _quiet(self, own: Place) -> bool:
        running = any(place.running for place in self._places if place is not own)
        # In this order: a thread hands its decision over before it says that it rests.
        return not running and not self._uncommitted()
