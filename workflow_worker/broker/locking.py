"""Locks by name: taken, kept, let go of; each call harmless when it is sent again.

An owner is a random name per acquisition, so whoever asks again after a lost reply is
told what is the case, and nobody else is ever taken for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflow_worker.broker import scripts
from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.keys import Partition


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for a lock.

    Attributes:
        token: greater than every one before it; 0 if another owner has the lock.
        free_in_ms: when it is free if its owner is silent from now on.
    """

    token: int
    free_in_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A lock, and who says to hold it.

    Attributes:
        name: of the lock.
        owner: of this acquisition.
        ttl_ms: after which it is free if its owner is silent.
    """

    name: str
    owner: str
    ttl_ms: int


def acquire(link: Link, partition: Partition, claim: Claim) -> Asked:
    """Take the lock if it is free; its owner is told its token again.

    Raises:
        Unavailable, Rejected: it was not taken.
        OutcomeUnknown: no reply came to a second call either; it may be taken.
    """
    what = (claim.name, claim.owner, claim.ttl_ms)
    answer, _ = scripts.run_twice(link, "lock", partition, *what)
    return Asked(*answer)


def keep(link: Link, partition: Partition, claims: Sequence[Claim]) -> list[bool]:
    """Keep locks for another while; False for each whose owner has lost it.

    Raises:
        Unavailable, OutcomeUnknown: some may be kept; it can be repeated.
    """
    flat: list[str | int] = []
    for claim in claims:
        flat += (claim.name, claim.owner, claim.ttl_ms)
    answers: Reply = scripts.run(link, "relock", partition, *flat)
    return [answer == 1 for answer in answers]


def release(link: Link, partition: Partition, claim: Claim) -> bool:
    """Let go of the lock; False if its owner had lost it before.

    Raises:
        Unavailable: it was not let go of.
        OutcomeUnknown: no reply came to a second call either; it may be free.
    """
    what = (claim.name, claim.owner)
    answer, again = scripts.run_twice(link, "unlock", partition, *what)
    # Not held by now: the first call may have seen to it.
    return again or bool(answer == 1)
