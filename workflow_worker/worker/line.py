"""The line before the threads of a pool: what was taken and not begun.

Owns how threads are woken. To wake one costs more than a short event does, so whoever
puts tasks in says how many threads are worth it; one that is awake takes the next task
without being called. It must never leave a task to a thread that sleeps.
"""

from __future__ import annotations

import queue
from collections import deque

from workflow_worker.model import Task


class Line:
    """Tasks in the order they came, and the threads that wait for one."""

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._idle: set[int] = set()
        """Threads that sleep, or are about to look a last time before they do."""
        self._ended = False

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def left(self) -> Task | None:
        """The next task, where a thread sleeps that could run it; else None."""
        try:
            return self._tasks[0] if self._idle else None
        except IndexError:
            return None

    def put(self, tasks: list[Task], threads: int) -> None:
        """Add tasks and wake up to so many threads for them."""
        self._tasks.extend(tasks)
        self.wake(threads)

    def wake(self, threads: int) -> None:
        """Wake up to so many of the threads that sleep, one a task at most."""
        # They count as asleep for a moment after they were called.
        called = self._calls.qsize()
        most = min(threads + called, len(self._idle), len(self._tasks))
        for _ in range(most - called):
            self._calls.put(None)

    def next(self) -> Task | None:
        """Return the next task; None if there is none now. Never waits."""
        try:
            return self._tasks.popleft()
        except IndexError:
            return None

    def wait(self, thread: int) -> Task | None:
        """Return the next task as soon as there is one.

        Args:
            thread: number of the one that waits.

        Returns:
            None once the line has ended and nothing is left in it.
        """
        self._idle.add(thread)
        # A call may be older than the sleep it ends, so each is only a reason to look.
        while (task := self.next()) is None and not self._ended:
            self._calls.get()
        self._idle.discard(thread)
        return task

    def end(self) -> None:
        """Have every thread end that finds nothing more to do."""
        self._ended = True
        for _ in range(len(self._idle)):
            self._calls.put(None)
