"""The quarantine lock: one suspect of a partition runs at a time, in the whole fleet.

What took down its worker again and again runs under it, so that even the death of a
whole instance names one entry. It belongs to a consumer name, like a lease.
"""

from __future__ import annotations

from workflow_worker.broker import scripts
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link


def hold(link: Link, owner: Owner, lease_ms: int) -> bool:
    """Take the lock, or keep it, for so long from now on; False if another has it.

    Can be repeated after a lost reply.
    """
    answer = scripts.run(
        link, "quarantine", owner.partition, owner.consumer, max(lease_ms, 1)
    )
    return bool(answer == 1)


def release(link: Link, owner: Owner) -> bool:
    """Let go of the lock; False if it was not held any more."""
    answer = scripts.run(link, "quarantine", owner.partition, owner.consumer, 0)
    return bool(answer == 1)
