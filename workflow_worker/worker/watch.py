"""One try of an action, watched: stopped in its thread, or with its process.

Owns the two limits of a try: its thread's, kept by the limiter, and the process's,
which stands on the board and is kept by the master.
"""

from __future__ import annotations

from typing import Protocol

from workflow_worker.board import Lane
from workflow_worker.clock import monotonic
from workflow_worker.worker.limiter import Limit

GRACE = 1.0
"""Seconds that what is to stop may take for it, before its process is killed."""


class Surroundings(Protocol):
    """The run that an action belongs to."""

    @property
    def deadline(self) -> float:
        """When, in monotonic seconds, the process is to be killed; 0: never."""

    def alive(self) -> None:
        """Note a sign of life."""


class Watch:
    """See :class:`workflow_worker.ports.Watch`.

    Args:
        run: what it is part of.
        lane: where the board shows its thread.
        limit: stops it in its thread; None for no limit of its own.
        beside: the lane shows nothing else.
    """

    __slots__ = ("_beside", "_lane", "_limit", "_run")

    def __init__(
        self, run: Surroundings, lane: Lane, limit: Limit | None, *, beside: bool
    ) -> None:
        self._run = run
        self._lane = lane
        self._limit = limit
        self._beside = beside

    @property
    def deadline(self) -> float:
        """When, in monotonic seconds, the process is to be killed; 0: never."""
        if self._limit is None:
            return self._run.deadline
        own = monotonic() + self._limit.seconds + GRACE
        return earliest(own, self._run.deadline)

    @property
    def hit(self) -> bool:
        """Whether its time was over before it ended."""
        return self._limit is not None and self._limit.hit

    def start(self) -> None:
        """Begin its time, in the thread that runs it."""
        if self._limit is not None:
            self._limit.arm()

    def extend(self) -> None:
        """Begin its time anew; one that did not heed its end has none left."""
        if self.hit:
            return
        self._run.alive()
        if self._limit is not None:
            self._limit.extend()
        self._lane.extend(self.deadline)

    def end(self) -> None:
        """Note that it ended."""
        if self._limit is not None:
            self._limit.disarm()
        if self._beside:
            self._lane.clear()
        else:
            self._lane.acting(b"", 0, self._run.deadline)


def earliest(one: float, other: float) -> float:
    """Return the first of two monotonic times, of which 0 means never."""
    if one and other:
        return min(one, other)
    return one or other
