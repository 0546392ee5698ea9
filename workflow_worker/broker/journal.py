"""Making journal entries of a running execution durable."""

from __future__ import annotations

import enum

from workflow_worker.broker import scripts
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.model import Task


class Appended(enum.IntEnum):
    """What came of an append."""

    LOST = 0
    """Another worker owns the execution now; nothing was written."""
    DURABLE = 1
    CANCEL = 2
    """Durable, and an operator asked for the end of the execution."""


def append(
    link: Link,
    owner: Owner,
    task: Task,
    entries: tuple[bytes, ...],
    journaled: int,
    version: str = "",
    consumed: tuple[str, ...] = (),
) -> Appended:
    """Append entries behind the ``journaled`` first ones.

    The index makes it idempotent: after a lost reply it is simply sent once more, and
    more entries may stand behind those that were sent before.

    Args:
        link: connection.
        owner: who has the lease.
        task: whose journal.
        entries: encoded, in order.
        journaled: how many are durable already.
        version: of the workflow that runs.
        consumed: per entry, the name of the inbox item it consumes, or empty; nothing
            at all if none of them does.

    Raises:
        Unavailable, Rejected: nothing was written; wait and call again.
        OutcomeUnknown: something may have been; likewise.
    """
    names = consumed or ("",) * len(entries)
    pairs = [part for pair in zip(entries, names, strict=True) for part in pair]
    values: tuple[str | bytes | int, ...] = (
        owner.consumer,
        task.entry,
        task.count,
        task.execution_id,
        task.record.step if task.record else 0,
        journaled,
        task.workflow,
        version,
        *pairs,
    )
    durable, _ = scripts.run_twice(link, "append", owner.partition, *values)
    return Appended(durable)
