"""The lock ``door``, as tests look at it."""

from __future__ import annotations

from typing import Any

import redis

from tests.servers import wait_until
from workflow_worker import Client, LockNotAcquired
from workflow_worker.locks import Locks

LONG = 600
"""Seconds; a lock with this ttl is free within a test only if it is let go of."""


def is_free(client: Client, name: str = "door") -> bool:
    try:
        with client.lock(name, ttl=LONG, wait=0):
            return True
    except LockNotAcquired:
        return False


def token_of(client: Client | Locks, **how: Any) -> int:
    with client.lock("door", **how) as lock:
        return lock.token


def token_in(db: redis.Redis) -> int:
    return int(db.get("{wf:0}:lock:door").split(b":")[1])


def until_renewed(db: redis.Redis) -> None:
    left = db.pttl("{wf:0}:lock:door")

    def grew() -> bool:
        nonlocal left
        before, left = left, db.pttl("{wf:0}:lock:door")
        return left > before

    wait_until(grew)
