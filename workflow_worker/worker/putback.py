"""Giving an entry back unrun, and how long it stays away.

Owns the pace of what comes and goes until it may run. A put-back counts no delivery.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from workflow_worker.broker import claim
from workflow_worker.broker.connection import Link
from workflow_worker.clock import sleep
from workflow_worker.errors import Rejected, Unavailable
from workflow_worker.model import PutBack, Task
from workflow_worker.worker.leases import Leases

log = logging.getLogger(__name__)

FIRST_MS = 500


def waited_ms(task: Task, why: PutBack) -> int:
    """Return how long it has been put back for this very reason, in milliseconds."""
    return task.waited_ms if task.put_back == why else 0


def delay_ms(task: Task, why: PutBack, most_ms: int, share: float = 1.0) -> int:
    """Return for how long to put it back: in proportion to what it has waited already.

    Args:
        task: to be put back.
        why: for which reason.
        most_ms: longest delay, but for the jitter: half of it more or less, so that
            what was put back together does not come back together.
        share: of what it has waited; 1 doubles its wait, a smaller one asks more often.
    """
    delay = min(max(waited_ms(task, why) * share, FIRST_MS), most_ms)
    return int(delay * random.uniform(0.5, 1.5))  # noqa: S311 - jitter


def put_back(
    link: Link,
    leases: Leases,
    task: Task,
    why: PutBack,
    delay: int,
    ending: Callable[[], bool],
) -> None:
    """Give back one entry from a thread of the pool, however long Redis is away.

    It is held until then, so its lease is renewed.

    Args:
        link: of this thread.
        leases: what is held.
        task: to give back.
        why: for which reason.
        delay: for how many milliseconds; 0 gives it back at once.
        ending: tells whether the worker is to end: then it is tried only once, for
            others will claim it.
    """
    pause = 0.05
    while leases.owns(task):
        try:
            claim.requeue(link, leases.owner_of(task), [task], delay, why)
        except (Unavailable, Rejected) as error:
            log.debug("put-back of %s waits: %s", task.execution_id, error)
            if ending():
                return
            sleep(pause)
            pause = min(pause * 2, 1.0)
        else:
            leases.release(task)
