"""What operators ask of executions, and what an event would start."""

from __future__ import annotations

from workflow_worker.broker import scripts
from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.keys import Partition
from workflow_worker.errors import ExecutionNotFound, NotPossible, OutcomeUnknown


def cancel(
    link: Link,
    partition: Partition,
    execution_id: str,
    result_ttl_ms: int,
    early_ttl_ms: int,
    result_limit: int = 100_000,
) -> str:
    """End an execution; ``cancelled`` at once, or ``asked`` if it runs.

    One that runs ends at its next action; one that has compensations runs them first.
    Of one that is cancelled already it says so again: a repeated call is harmless.

    Raises:
        ExecutionNotFound: there is no record of it.
        NotPossible: it has completed or failed.
    """
    answer = _ask(
        link,
        "cancel",
        partition,
        execution_id,
        result_ttl_ms,
        early_ttl_ms,
        result_limit,
    )
    if answer in {"cancelled", "asked"}:
        return answer
    raise NotPossible(f"execution {execution_id} is {answer} already")


def retry(
    link: Link,
    partition: Partition,
    execution_id: str,
    early_ttl_ms: int = 60_000,
    inbox_limit: int = 10_000,
) -> None:
    """Make a failed or cancelled execution go on from its journal.

    Raises:
        ExecutionNotFound: there is no record of it.
        NotPossible: it is neither, or its compensations have run.
    """
    answer = _ask(link, "retry", partition, execution_id, early_ttl_ms, inbox_limit)
    if answer == "undone":
        raise NotPossible(
            f"the compensations of execution {execution_id} have run, so what its "
            "journal says is undone: publish its event anew"
        )
    if answer != "retried":
        raise NotPossible(
            f"execution {execution_id} is {answer}: only a failed or cancelled one can "
            "be retried"
        )


def started_by(link: Link, partition: Partition, event_name: str) -> list[str]:
    """Return the workflows that events of this name start, by the fleet's routes."""
    names = scripts.run(link, "started", partition, event_name)
    return sorted(name.decode() for name in names)


def _ask(
    link: Link, script: str, partition: Partition, execution_id: str, *values: int
) -> str:
    try:
        answer: Reply = scripts.run(link, script, partition, execution_id, *values)
    except OutcomeUnknown as error:
        raise OutcomeUnknown(
            f"{error}; look with: wfworker executions show {execution_id}"
        ) from error
    text: str = answer.decode()
    if not text:
        raise ExecutionNotFound(
            f"there is no record of an execution {execution_id}: it never began, left "
            "nothing to remember, or is forgotten by now"
        )
    return text
