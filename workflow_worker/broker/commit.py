"""Carrying out what runs decided: many executions in one call, each whole or not."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from workflow_worker.broker import scripts
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.errors import ErrorCategory
from workflow_worker.model import (
    Child,
    Decision,
    Emission,
    Failure,
    Outcome,
    Task,
)

Item = tuple[Task, Decision]
_encode = msgspec.msgpack.Encoder().encode
_COMPLETED = Outcome.COMPLETED


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what has ended is kept.

    Attributes:
        result_ttl_ms: default for a workflow that does not say.
        result_limit: most finished executions of the partition.
    """

    result_ttl_ms: int
    result_limit: int


class Landed(enum.IntEnum):
    """What became of a decision."""

    LOST = 0
    """Another worker owns the entry now; nothing was done."""
    COMMITTED = 1
    CANCELLED = 2
    """A cancel that was asked for meanwhile made something else of it."""
    REFUSED = 3
    """The server refused what it was to write: a dead letter came of it."""
    HELD = 4
    """Its dead letter can't be written now, for something else has its key: nothing was
    done; wait and call again."""


_LANDED = tuple(Landed)
"""By their numbers; calling the class takes several times as long."""


def commit(
    link: Link, owner: Owner, batch: Sequence[Item], retention: Retention
) -> list[Landed]:
    """Commit decisions, each whole or not at all.

    A batch the server refuses as a whole is repeated item by item; the one that fails
    alone ends as a dead letter, so that it can't block its neighbours for ever.

    Raises:
        Unavailable, Rejected: nothing was committed; wait and call again.
        OutcomeUnknown: call once more; then LOST means that it landed, or was taken.
    """
    try:
        return _commit(link, owner, batch, retention)
    except ResponseError as error:
        if len(batch) > 1:
            return [commit(link, owner, [item], retention)[0] for item in batch]
        [landed] = _commit(link, owner, [_refused(batch[0][0], error)], retention)
        return [Landed.REFUSED if landed is Landed.COMMITTED else landed]


def _commit(
    link: Link, owner: Owner, batch: Sequence[Item], retention: Retention
) -> list[Landed]:
    plain: list[str] = []
    packed: list[bytes] = []
    order: list[tuple[bool, int]] = []
    for task, decision in batch:
        if is_plain(task, decision, retention):
            order.append((True, len(plain)))
            plain.append(task.entry)
        else:
            order.append((False, len(packed)))
            packed.append(_encode(_packed(task, decision, retention)))
    first, last = _span(plain if not packed else [task.entry for task, _ in batch])
    answers = scripts.run(
        link,
        "commit",
        owner.partition,
        owner.consumer,
        first,
        last,
        retention.result_limit,
        owner.early_ttl_ms,
        owner.inbox_limit,
        len(plain),
        *plain,
        *packed,
    )
    behind = len(plain)
    return [_LANDED[answers[at if simple else behind + at]] for simple, at in order]


def is_plain(task: Task, decision: Decision, retention: Retention) -> bool:
    """Tell whether nothing but counters remains of this execution, run once."""
    return (
        decision.outcome is _COMPLETED
        and task.count == 1
        and task.record is None
        and task.counts
        and not task.keep
        and not decision.entries
        and not decision.journaled
        and not decision.emits
        and not decision.children
        and decision.data is None
        and (decision.result is None or not _ttl(decision, retention))
    )


def _ttl(decision: Decision, retention: Retention) -> int:
    if decision.result_ttl_ms is None:
        return retention.result_ttl_ms
    return decision.result_ttl_ms


def _packed(task: Task, decision: Decision, retention: Retention) -> dict[str, Any]:
    """Return what commit.lua reads of one decision; what it has not is left out."""
    ttl = _ttl(decision, retention)
    packed: dict[str, Any] = {
        "entry": task.entry,
        "count": task.count,
        "id": task.execution_id,
        "workflow": task.workflow,
        "version": decision.version,
        "step": task.record.step if task.record else 0,
        "outcome": decision.outcome.value,
        "journaled": decision.journaled,
        "counts": task.counts,
        "keep": _is_kept(task, decision, ttl),
        "ttl": ttl,
        "deliveries": task.deliveries,
    }
    return packed | _stored(decision) | _marked(decision) | _goes_on(decision)


def _stored(decision: Decision) -> dict[str, Any]:
    """Return what is written, sent and started with the commit."""
    packed: dict[str, Any] = {}
    if decision.entries:
        packed["journal"] = [entry.decode() for entry in decision.entries]
        if any(decision.consumed):
            packed["consumed"] = decision.consumed
    if decision.emits:
        packed["emits"] = [_emitted(emit) for emit in decision.emits]
    if decision.children:
        packed["children"] = [_started(child) for child in decision.children]
    if decision.state is not None:
        packed["state"] = decision.state
    for name in ("result", "data"):
        value: bytes | None = getattr(decision, name)
        if value is not None:
            packed[name] = value.decode()
    return packed


def _marked(decision: Decision) -> dict[str, Any]:
    """Return how the run stands: its failure, its undoing, its next try."""
    failure, packed = decision.failure, {}
    for name in ("undo", "ending", "attempt", "signals"):
        value = getattr(decision, name)
        if value:
            packed[name] = value
    if decision.undo and decision.outcome is Outcome.CANCELLED:
        packed["undone"] = True
    if failure is not None:
        packed |= msgspec.structs.asdict(failure)
    return packed


def _is_kept(task: Task, decision: Decision, ttl: int) -> bool:
    """Tell whether there is something to remember once it has ended."""
    if decision.outcome is Outcome.FAILED:
        return True
    # Who asked for the cancel wants to see it, and may want a retry.
    said = decision.outcome is Outcome.CANCELLED or task.keep
    said = said or decision.result is not None or decision.data is not None
    return bool(ttl and (said or decision.journaled or decision.entries))


def _goes_on(decision: Decision) -> dict[str, Any]:
    """Return what a suspended or continued execution goes on with."""
    if decision.outcome is Outcome.CONTINUED:
        return {
            "payload": decision.payload.decode() or "{}",
            "base": decision.base.decode(),
        }
    wait = decision.wait
    if wait is None:
        return {}
    packed: dict[str, Any] = {"wait": wait.ordinal, "names": list(wait.names)}
    if wait.again_ms is not None:
        packed["again"] = wait.again_ms
    if wait.due_ms is not None:
        packed["due"] = wait.due_ms
    elif wait.delay_ms is not None:
        packed["delay"] = wait.delay_ms
    return packed


def _emitted(emit: Emission) -> dict[str, Any]:
    fields = ["name", emit.name, "payload", emit.payload.decode()]
    if emit.key:
        fields += ("key", emit.key)
    if emit.delay_ms > 0:
        fields += ("_origin", emit.id)
    return {"fields": fields, "delay": emit.delay_ms, "id": emit.id}


def _started(child: Child) -> dict[str, Any]:
    return {
        "id": child.execution_id,
        "workflow": child.workflow,
        "payload": child.payload.decode(),
        "key": child.key or child.execution_id,
        "mark": child.mark,
    }


def _span(entries: list[str]) -> tuple[str, str]:
    """Return the first and last of stream ids, compared as the numbers they are."""
    in_order = sorted(entries, key=_order)
    return in_order[0], in_order[-1]


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
