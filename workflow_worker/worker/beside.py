"""Threads for actions that a workflow submits: they run beside the pool's own.

Owns how many there are, and their lanes. They are made when first needed and stay.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from workflow_worker.board import Lane, Slot
from workflow_worker.threads import spawn


class Beside:
    """Runs what it is given, in order, on so many threads.

    None of it ever waits for something else given to it: an action inside an action is
    the plain function. So a full house only queues and can't lock up.

    Args:
        most: threads; the pool has as many, with the lanes before theirs.
        slot: the board; work shows there what it does, by :meth:`lane`.
    """

    def __init__(self, most: int, slot: Slot) -> None:
        self._most = most
        self._slot = slot
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._growing = threading.Lock()
        """Guards the number of threads, and that of lanes on the board."""
        self._count = 0
        self._here = threading.local()

    def run(self, work: Callable[[], None]) -> None:
        """Run this when a thread is free; returns at once."""
        self._queue.put(work)
        with self._growing:
            if self._count == self._most:
                return
            lane = self._slot.lane(self._most + self._count)
            self._count += 1
            name = f"beside-{self._count}"
        spawn(name, lambda: self._serve(lane))

    def lane(self) -> Lane:
        """Return the lane of the thread that calls; it is cleared when its work ends.

        Raises:
            AttributeError: this is none of these threads.
        """
        lane: Lane = self._here.lane
        return lane

    def _serve(self, lane: Lane) -> None:
        self._here.lane = lane
        while True:
            work = self._queue.get()
            work()
            lane.clear()
