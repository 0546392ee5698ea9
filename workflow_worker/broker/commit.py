"""Carrying out what runs decided: many executions in one call, each whole or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from workflow_worker.broker import scripts
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.errors import ErrorCategory
from workflow_worker.model import Decision, Emission, Failure, Outcome, Task

Item = tuple[Task, Decision]
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished executions are kept.

    Attributes:
        result_ttl_ms: default for a workflow that does not say.
        result_limit: most finished executions of the partition.
    """

    result_ttl_ms: int
    result_limit: int


def commit(
    link: Link, owner: Owner, batch: Sequence[Item], retention: Retention
) -> list[bool]:
    """Commit decisions; False for each entry that has another owner by now.

    A batch the server refuses as a whole is repeated item by item; the one that fails
    alone ends as a dead letter, so that it can't block its neighbours for ever.

    Raises:
        Unavailable, Rejected: nothing was committed; wait and call again.
        OutcomeUnknown: call once more; then False means that it landed, or was taken.
    """
    try:
        return _commit(link, owner, batch, retention)
    except ResponseError as error:
        if len(batch) > 1:
            return [commit(link, owner, [item], retention)[0] for item in batch]
        return _commit(link, owner, [_refused(batch[0][0], error)], retention)


def _commit(
    link: Link, owner: Owner, batch: Sequence[Item], retention: Retention
) -> list[bool]:
    plain: list[str | int] = []
    packed: list[bytes] = []
    order: list[tuple[bool, int]] = []
    for task, decision in batch:
        if is_plain(task, decision, retention):
            order.append((True, len(plain) // 2))
            plain += (task.entry, task.count)
        else:
            order.append((False, len(packed)))
            packed.append(_encode(_packed(task, decision, retention)))
    first, last = _span([task.entry for task, _ in batch])
    answers = scripts.run(
        link,
        "commit",
        owner.partition,
        owner.consumer,
        first,
        last,
        retention.result_limit,
        len(plain) // 2,
        *plain,
        *packed,
    )
    half = len(plain) // 2
    return [answers[at if simple else half + at] == 1 for simple, at in order]


def is_plain(task: Task, decision: Decision, retention: Retention) -> bool:
    """Tell whether nothing but counters remains of this execution."""
    return (
        decision.outcome is Outcome.COMPLETED
        and task.record is None
        and task.counts
        and not decision.entries
        and not decision.journaled
        and not decision.emits
        and (decision.result is None or not _ttl(decision, retention))
    )


def _ttl(decision: Decision, retention: Retention) -> int:
    if decision.result_ttl_ms is None:
        return retention.result_ttl_ms
    return decision.result_ttl_ms


def _packed(task: Task, decision: Decision, retention: Retention) -> dict[str, Any]:
    """Return what commit.lua reads of one decision."""
    failure = decision.failure
    kept = decision.result is not None or decision.journaled or decision.entries
    ttl = _ttl(decision, retention)
    packed: dict[str, Any] = {
        "entry": task.entry,
        "count": task.count,
        "id": task.execution_id,
        "workflow": task.workflow,
        "version": task.record.version if task.record else decision.version,
        "step": task.record.step if task.record else 0,
        "outcome": decision.outcome.value,
        "journaled": decision.journaled,
        "journal": [entry.decode() for entry in decision.entries],
        "emits": [_fields(emit) for emit in decision.emits],
        "counts": task.counts,
        "keep": failure is not None or bool(kept and ttl),
        "ttl": ttl,
        "deliveries": task.deliveries,
    }
    if decision.state is not None:
        packed["state"] = decision.state
    if decision.result is not None:
        packed["result"] = decision.result.decode()
    if failure is not None:
        packed |= msgspec.structs.asdict(failure)
    return packed


def _fields(emit: Emission) -> list[str]:
    fields = ["name", emit.name, "payload", emit.payload.decode()]
    return [*fields, "key", emit.key] if emit.key else fields


def _span(entries: list[str]) -> tuple[str, str]:
    """Return the first and last of stream ids, compared as the numbers they are."""
    if len(entries) == 1:
        return entries[0], entries[0]
    return min(entries, key=_order), max(entries, key=_order)


def _order(entry: str) -> tuple[int, int]:
    ms, _, sequence = entry.partition("-")
    return int(ms), int(sequence)


def _refused(task: Task, error: ResponseError) -> Item:
    failure = Failure(
        category=ErrorCategory.PERMANENT.value,
        error_type="CommitRefused",
        message=f"the server refused what the run decided: {error}",
    )
    return task, Decision(Outcome.FAILED, failure=failure, journaled=len(task.journal))
