"""A bell one thread sleeps on and any other rings."""

from __future__ import annotations

import queue


class Doorbell:
    """Wakes one sleeper; ringing costs next to nothing while it is awake.

    A ring is never lost: the sleeper says that it will sleep before it looks one last
    time at what it waits for, and whoever changes that looks for a sleeper afterwards.
    """

    __slots__ = ("_rings", "sleeping")

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.sleeping = False

    def ring(self) -> None:
        """Wake the sleeper, if it sleeps."""
        if self.sleeping:
            self.sleeping = False
            self._rings.put(None)

    def sleep(self, timeout: float | None = None) -> bool:
        """Sleep until rung; set :attr:`sleeping` before the last look. May wake early.

        Args:
            timeout: most seconds to sleep.

        Returns:
            False if nobody rang.
        """
        try:
            self._rings.get(timeout=timeout)
        except queue.Empty:
            return False
        finally:
            self.sleeping = False
        return True
