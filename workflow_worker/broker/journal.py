"""Making journal entries of a running execution durable."""

from __future__ import annotations

from workflow_worker.broker import scripts
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.errors import OutcomeUnknown
from workflow_worker.model import Task


def append(
    link: Link,
    owner: Owner,
    task: Task,
    entries: tuple[bytes, ...],
    journaled: int,
    version: str = "",
) -> bool:
    """Append entries behind the ``journaled`` first ones; False if the lease is lost.

    The index makes it idempotent: after a lost reply it is simply sent once more.

    Raises:
        Unavailable, Rejected: nothing was written; wait and call again.
    """
    values: tuple[str | bytes | int, ...] = (
        owner.consumer,
        task.entry,
        task.count,
        task.execution_id,
        task.record.step if task.record else 0,
        journaled,
        task.workflow,
        version,
        *entries,
    )
    try:
        durable = scripts.run(link, "append", owner.partition, *values)
    except OutcomeUnknown:
        durable = scripts.run(link, "append", owner.partition, *values)
    return bool(durable == 1)
