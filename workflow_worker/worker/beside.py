"""Threads for actions that a workflow submits: they run beside the pool's own.

Owns how many there are. They are made when first needed and stay.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from workflow_worker.worker.threads import spawn


class Beside:
    """Runs what it is given, in order, on so many threads.

    None of it ever waits for something else given to it: an action inside an action is
    the plain function. So a full house only queues and can't lock up.

    Args:
        most: threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._growing = threading.Lock()
        """Guards the number of threads."""
        self._count = 0

    def run(self, work: Callable[[], None]) -> None:
        """Run this when a thread is free; returns at once."""
        self._queue.put(work)
        with self._growing:
            if self._count == self._most:
                return
            self._count += 1
            name = f"beside-{self._count}"
        spawn(name, self._serve)

    def _serve(self) -> None:
        while True:
            self._queue.get()()
