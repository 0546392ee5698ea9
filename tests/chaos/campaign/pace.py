"""How far publishing has come, and how far it may go before the next fault strikes.

Owns the count that the schedule of faults goes by. Must never let a fault come so late
that its load is over.
"""

from __future__ import annotations

import threading

SLACK = 1500
"""Events that may be published between the moment a fault is due and its strike."""


class Pace:
    """Counts what is published; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        """Guards what follows, and tells of changes."""
        self._published = 0
        self._limit = 0
        self._over = False

    @property
    def published(self) -> int:
        return self._published

    @property
    def over(self) -> bool:
        """Whether the episode was given up."""
        return self._over

    def add(self, events: int) -> None:
        """Count events whose publishing is settled; waits while they are too many."""
        with self._changed:
            self._published += events
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over or self._published < self._limit)

    def reach(self, count: int, timeout: float) -> bool:
        """Wait until so many are published; False if that took too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._over or self._published >= count, timeout
            )

    def allow(self, count: int | None) -> None:
        """Let publishers come a little further than this count; None: to their end."""
        with self._changed:
            self._limit = 1 << 62 if count is None else count + SLACK
            self._changed.notify_all()

    def end(self) -> None:
        """Give up: nobody waits any longer."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
