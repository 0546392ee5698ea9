"""The lock that users hold, and where it comes from."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from typing import Self

from workflow_worker.broker import locking
from workflow_worker.broker.connection import TIMEOUT
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.links import Links
from workflow_worker.broker.locking import Claim
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import (
    LockLost,
    LockNotAcquired,
    OutcomeUnknown,
    Rejected,
    Unavailable,
)
from workflow_worker.locks.grip import Grip
from workflow_worker.locks.keeper import Keeper
from workflow_worker.runtime.durations import milliseconds

Duration = float | timedelta
"""Seconds or a timedelta."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.25
"""Seconds between two looks at a lock that another owner has."""


class Locks:
    """Takes locks from one partition and keeps them; thread-safe, lazy, safe over fork.

    Args:
        url: where the server is.
        partition: whose keys they are.
        timeout: seconds to connect and to wait for an answer.
        outlast: whoever waits for a lock waits for Redis as well; else ``Unavailable``
            is raised at once.
    """

    def __init__(
        self,
        url: str,
        partition: Partition,
        *,
        timeout: float = TIMEOUT,
        outlast: bool = True,
    ) -> None:
        self._url = url
        self._partition = partition
        self._links = Links(url, timeout)
        self._outlast = outlast
        self._keepers: dict[int, Keeper] = {}
        """By process: a fork has no thread of its parent's."""

    def lock(self, name: str, ttl: Duration = 30, wait: Duration = 10) -> Lock:
        """Return a lock that is taken where a ``with`` block begins.

        Args:
            name: whoever names it the same excludes each other.
            ttl: seconds or timedelta after which it is free if its holder is silent.
            wait: seconds or timedelta to wait for it at most; 0 is one try.

        Raises:
            ValueError: one of them can't be used.
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"a lock's name is a text, not {name!r}")
        ttl_ms = milliseconds(ttl, "ttl")
        if ttl_ms == 0:
            raise ValueError(f"ttl must be more than 0, not {ttl!r}")
        return Lock(self, name, ttl_ms, milliseconds(wait, "wait") / 1000)

    def close(self) -> None:
        """Close the idle connections; locks that are held stay so."""
        self._links.close()

    def acquire(self, claim: Claim, wait: float) -> Grip:
        """Take a lock, or wait for it, and renew it from then on.

        Args:
            claim: what to take; a new owner each time.
            wait: seconds, at most.

        Raises:
            LockNotAcquired: another owner had it all the time.
            Unavailable, Rejected: Redis was away, or its memory full.
        """
        try:
            grip = self._ask_for(claim, wait)
        except (LockNotAcquired, Rejected):
            raise
        except BaseException as error:
            # Interrupted, or its replies lost: it may be taken all the same.
            if type(error) is not Unavailable:
                self._keeper.let_go(Grip(claim, 0, monotonic()))
            raise
        self._keeper.keep(grip)
        return grip

    def release(self, grip: Grip) -> bool:
        """Let go of a lock; False if it was lost before."""
        if grip.foreign:
            return False
        self._keeper.drop(grip)
        if grip.lost:
            # Redis may have heard of a renewal that was not confirmed.
            self._keeper.let_go(grip)
            return False
        try:
            return self._links.call(
                lambda link: locking.release(link, self._partition, grip.claim)
            )
        except (Unavailable, Rejected):
            self._keeper.let_go(grip)
            return True

    def _ask_for(self, claim: Claim, wait: float) -> Grip:
        began, pause = monotonic(), pauses()
        unknown: OutcomeUnknown | None = None
        while True:
            asked_at = monotonic()
            last = asked_at - began >= wait
            try:
                asked = self._links.call(
                    lambda link: locking.acquire(link, self._partition, claim)
                )
            except (Unavailable, Rejected) as error:
                if isinstance(error, OutcomeUnknown):
                    unknown = error
                if last or not self._outlast:
                    raise unknown or error from error
                free_in = LONGEST_PAUSE
            else:
                if asked.token:
                    return Grip(claim, asked.token, asked_at)
                if last:
                    raise LockNotAcquired(
                        f"lock {claim.name} was held by others for all of the "
                        f"{asked_at - began:.3f} s that were waited for it"
                    )
                unknown = None
                free_in = asked.free_in_ms / 1000 + SHORTEST_PAUSE
            left = began + wait - monotonic()
            sleep(max(0.0, min(next(pause), free_in, left)))

    @property
    def _keeper(self) -> Keeper:
        pid = os.getpid()
        found = self._keepers.get(pid)
        # Of two threads that are first at the same time one keeper is taken.
        return found or self._keepers.setdefault(
            pid, Keeper(self._url, self._partition)
        )


class Lock:
    """A distributed lock: held in a ``with`` block, renewed meanwhile.

    A holder that was silent for longer than the ttl, because its process or its machine
    stood still, has lost it, and somebody else may hold it. It is told at the next look
    at :attr:`token` or :attr:`lost`, and at the end of the block, without asking Redis.
    Between such a look and what is done next it may stand still again: so what the
    lock protects has to compare tokens, and refuse one that is smaller than the
    greatest it has seen. The time during which a whole machine is suspended does not
    count on its monotonic clock; there the token alone protects.

    It belongs to the process that took it: a fork of it never holds it. Each ``with``
    takes it anew; one at a time.
    """

    def __init__(self, locks: Locks, name: str, ttl_ms: int, wait: float) -> None:
        self.name = name
        self._locks = locks
        self._ttl_ms = ttl_ms
        self._wait = wait
        self._entered = False
        self._grip: Grip | None = None

    def __enter__(self) -> Self:
        """Take the lock, waiting for it if need be.

        Raises:
            LockNotAcquired: others held it for as long as was to be waited.
            Unavailable: Redis was away: at once for a client, in an action for as long
                as was to be waited.
            Rejected: likewise, its memory was full.
            RuntimeError: this very object is in a ``with`` block already.
        """
        if self._entered:
            raise RuntimeError(
                f"lock {self.name} is in a with block already: get another one there"
            )
        self._entered = True
        try:
            claim = Claim(self.name, uuid.uuid4().hex, self._ttl_ms)
            self._grip = self._locks.acquire(claim, self._wait)
        except BaseException:
            self._entered = False
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the lock; if Redis is away, as soon as it is back.

        Raises:
            LockLost: it was lost meanwhile, and no other exception is on its way.
        """
        grip, self._grip = self._grip, None
        self._entered = False
        if grip and not self._locks.release(grip) and kind is None:
            raise self._loss()

    @property
    def token(self) -> int:
        """A number greater than that of everybody who held this lock before.

        Raises:
            LockLost: it is not held, or no longer.
        """
        grip = self._grip
        if grip is None or grip.lost:
            raise self._loss()
        return grip.token

    @property
    def lost(self) -> bool:
        """Whether it is not held, or no longer."""
        grip = self._grip
        return grip is None or grip.lost

    def _loss(self) -> LockLost:
        return LockLost(
            f"lock {self.name} is not held, or was not renewed within its "
            f"{self._ttl_ms / 1000:g} s: somebody else may hold it"
        )


def pauses() -> Iterator[float]:
    """Yield seconds between two looks at a lock, spread so that waiters don't meet.

    Full jitter: random up to a bound that doubles; Brooker, "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015. Not below what a look costs.
    """
    bound = 2 * SHORTEST_PAUSE
    while True:
        yield random.uniform(SHORTEST_PAUSE, bound)  # noqa: S311 - no secret
        bound = min(2 * bound, LONGEST_PAUSE)
