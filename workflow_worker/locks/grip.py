"""One acquisition of a lock, and until when its holder may believe in it."""

from __future__ import annotations

import math
import os
import threading

from workflow_worker.broker.connection import TIMEOUT
from workflow_worker.broker.locking import Claim
from workflow_worker.clock import monotonic

LEAST = 0.02
"""Seconds; no answer is given up earlier, and no call repeated."""


class Grip:
    """A lock that was taken.

    It lasts for its ttl from the moment before the last call that Redis confirmed was
    sent: Redis counts from a later one. Once over, it is over for good.

    Args:
        claim: which, and by whom.
        token: the fencing number.
        asked_at: monotonic seconds when Redis was asked for it.

    Attributes:
        due: monotonic seconds when the keeper has something to do for it.
    """

    __slots__ = ("__weakref__", "_guard", "_pid", "_until", "claim", "due", "token")

    def __init__(self, claim: Claim, token: int, asked_at: float) -> None:
        self.claim = claim
        self.token = token
        self._pid = os.getpid()
        self._guard = threading.Lock()
        """Guards that nobody is told "lost", and later "held"."""
        self._until = math.inf
        self.due = asked_at
        self.extend(asked_at)

    @property
    def ttl(self) -> float:
        """Seconds."""
        return self.claim.ttl_ms / 1000

    @property
    def patience(self) -> float:
        """Seconds to wait for the answer to a renewal."""
        return min(max(self.ttl / 3, LEAST), TIMEOUT)

    @property
    def pause(self) -> float:
        """Seconds between two calls of which the first failed."""
        return min(max(self.ttl / 30, LEAST), 1.0)

    @property
    def foreign(self) -> bool:
        """Whether another process took it, one that forked this one."""
        return os.getpid() != self._pid

    @property
    def lost(self) -> bool:
        """Whether it is over; always in a process that did not take it."""
        if self.foreign:
            return True
        with self._guard:
            return self._over

    def extend(self, asked_at: float) -> bool:
        """Have it last from then on; False if it is over already."""
        with self._guard:
            if self._over:
                return False
            self._until = asked_at + self.ttl
            self.due = asked_at + self.ttl / 3
            return True

    def lose(self) -> None:
        """Have it be over."""
        with self._guard:
            self._until = -math.inf

    @property
    def _over(self) -> bool:
        return monotonic() >= self._until
