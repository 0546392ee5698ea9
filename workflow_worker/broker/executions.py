"""Reading executions: one with its history, lists of them, how they ended.

Owns what a record and a journal look like to people and programs, as values and as
JSON. Changes nothing. Must show whatever it finds: entries of a newer version, or
damaged ones, are no reason to show nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.clock import timestamp
from workflow_worker.errors import ErrorCategory, ExecutionFailed, ExecutionNotFound
from workflow_worker.model import Json

CLOSED = frozenset(("completed", "failed", "cancelled"))
"""Statuses of executions that have ended."""
_DUE = {"waiting": "due", "retrying": "again"}
"""By status, the field that says when it goes on by itself."""
_ERRING = frozenset(("failed", "retrying"))


class HistoryEntry(msgspec.Struct, frozen=True):
    """One thing an execution did, as its journal has it.

    Attributes:
        ordinal: its place in program order, from 1; 0 where it has none.
        kind: what it was: action, wait, sleep, emit, start, ...; ``unreadable`` for an
            entry that this version can't read.
        name: of the action, event or workflow.
        started_at: when it began, by the worker's clock; None if it does not say.
        duration_ms: how long it took.
        attempt: which try this was, from 1.
        result: plain JSON types; None where there is an error.
        error: ``type``, ``message``, ``category``, ``reason``, ``traceback``; None if
            it went well.
    """

    ordinal: int
    kind: str
    name: str
    started_at: datetime | None
    duration_ms: float
    attempt: int
    result: Any
    error: dict[str, str] | None

    def as_object(self) -> Json:
        """Return it as a JSON object."""
        return {
            "ordinal": self.ordinal,
            "kind": self.kind,
            "name": self.name,
            "startedAt": stamp(self.started_at),
            "durationMs": self.duration_ms,
            "attempt": self.attempt,
            "result": self.result,
            "error": self.error,
        }


class Execution(msgspec.Struct, frozen=True):
    """What is known of an execution at one moment.

    Attributes:
        id: of the execution.
        workflow: its name.
        version: of the workflow that began it; empty if that has none, or if none did.
        key: business key.
        status: running, waiting, retrying, completed, failed or cancelled.
        state: business state as of ``ctx.set_state``; empty if it was never set.
        attempt: which try of the workflow this is, from 1.
        result: what the function returned, as plain JSON types; None until then.
        error: ``type``, ``message`` and ``category`` of what failed it, else None.
        started_at: when its record was made, by the server's clock, in UTC.
        updated_at: its last commit, likewise.
        waiting_for: names of the signals it waits for, and ids of child executions;
            empty if it does not wait, or only for a time.
        due_at: when its wait or sleep ends by itself, or the next try of what failed
            is due; None for never.
        data: what is in ``ctx.data``.
        parent: id of the execution that started it, empty if an event did.
        history: its journal; empty in lists.
    """

    id: str
    workflow: str
    version: str
    key: str
    status: str
    state: str
    attempt: int
    result: Any
    error: dict[str, str] | None
    started_at: datetime
    updated_at: datetime
    waiting_for: list[str]
    due_at: datetime | None
    data: Json
    parent: str
    history: tuple[HistoryEntry, ...] = ()

    def as_listed(self) -> Json:
        """Return it as a JSON object, as it stands in lists; null for what is not."""
        return {
            "id": self.id,
            "workflow": self.workflow,
            "version": self.version or None,
            "key": self.key,
            "status": self.status,
            "state": self.state or None,
            "attempt": self.attempt,
            "result": self.result,
            "error": self.error,
            "startedAt": stamp(self.started_at),
            "updatedAt": stamp(self.updated_at),
            "waitingFor": self.waiting_for,
        }

    def as_object(self) -> Json:
        """Return it as a JSON object, with all that is known of it."""
        return self.as_listed() | {
            "dueAt": stamp(self.due_at),
            "data": self.data,
            "parent": self.parent or None,
            "history": [entry.as_object() for entry in self.history],
        }


def stamp(at: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC with milliseconds and ``Z``."""
    return None if at is None else timestamp(round(at.timestamp() * 1000))


# --- reading ----------------------------------------------------------------------

_FIELDS = (
    *("workflow", "version", "key", "status", "state", "attempt", "result"),
    *(
        "error_type",
        "message",
        "category",
        "started",
        "updated",
        "names",
        "due",
        "again",
    ),
    *("data", "parent", "dead"),
)


def execution(link: Link, partition: Partition, execution_id: str) -> Execution:
    """Return one execution with its history.

    Raises:
        ExecutionNotFound: there is no record of it.
    """
    values, entries = link.calls(
        [
            _read(partition, execution_id),
            ("LRANGE", partition.journal(execution_id), 0, -1),
        ]
    )
    found = _execution(execution_id, _reply(values))
    if found is None:
        raise ExecutionNotFound(
            f"there is no record of an execution {execution_id}: it has not begun, "
            "left nothing to remember (publish its event with keep=True), or is "
            "forgotten by now"
        )
    # Actions side by side are journaled as they end; read in program order.
    history = sorted(map(_entry, _reply(entries)), key=lambda entry: entry.ordinal)
    return msgspec.structs.replace(found, history=tuple(history))


def executions(
    link: Link, partition: Partition, ids: Iterable[str]
) -> dict[str, Execution]:
    """Return those of these executions that have a record, by id, without history."""
    wanted = list(ids)
    if not wanted:
        return {}
    replies = link.calls([_read(partition, execution_id) for execution_id in wanted])
    found = map(_execution, wanted, map(_reply, replies))
    return {each.id: each for each in found if each is not None}


def result_of(ended: Execution) -> Any:
    """Return the result of an execution that has ended, as plain JSON types.

    Raises:
        ExecutionFailed: it has none.
    """
    if ended.status == "completed":
        return ended.result
    error = ended.error or {}
    category = error.get("category", "")
    raise ExecutionFailed(
        ended.id,
        ended.status,
        error.get("type", ""),
        error.get("message", ""),
        ErrorCategory(category)
        if category in set(ErrorCategory)
        else ErrorCategory.PERMANENT,
    )


def _read(partition: Partition, execution_id: str) -> tuple[str, ...]:
    return ("HMGET", partition.record(execution_id), *_FIELDS)


def _reply(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise reply
    return reply


def _execution(execution_id: str, values: list[bytes | None]) -> Execution | None:
    raw = dict(zip(_FIELDS, values, strict=True))
    status = _text(raw["status"])
    if not status:
        return None
    waits = status == "waiting"
    # A record keeps it while it runs, should it go on with the same wait.
    due = _DUE.get(status)
    updated = _milliseconds(raw["updated"]) or _milliseconds(raw["dead"])
    return Execution(
        id=execution_id,
        workflow=_text(raw["workflow"]),
        version=_text(raw["version"]),
        key=_text(raw["key"]),
        status=status,
        state=_text(raw["state"]),
        attempt=_milliseconds(raw["attempt"]) or 1,
        result=_json(raw["result"]) if status == "completed" else None,
        error=_failure(raw) if status in _ERRING and raw["error_type"] else None,
        started_at=_instant(_milliseconds(raw["started"]) or updated),
        updated_at=_instant(updated),
        waiting_for=_awaited(execution_id, raw["names"]) if waits else [],
        due_at=_instant_or_none(raw[due]) if due else None,
        data=_object(raw["data"]),
        parent=_text(raw["parent"]),
    )


def _failure(raw: dict[str, bytes | None]) -> dict[str, str]:
    return {
        "type": _text(raw["error_type"]),
        "message": _text(raw["message"]),
        "category": _text(raw["category"]),
    }


def _awaited(execution_id: str, names: bytes | None) -> list[str]:
    """Split names that NULs part; the result of a child is awaited as ``/<mark>``."""
    found = filter(None, _text(names).split("\0"))
    return [f"{execution_id}{n}" if n.startswith("/") else n for n in found]


class _Recorded(msgspec.Struct, frozen=True):
    """What is shown of a journal entry; other fields of it are passed over."""

    ordinal: int = 0
    kind: str = ""
    name: str = ""
    result: Any = None
    error: Json | None = None
    started_ms: float = 0
    duration_ms: float = 0.0
    attempt: int = 1


_recorded = msgspec.json.Decoder(_Recorded)
_SAID = ("message", "category", "reason")
_SHOWN = ("type", *_SAID, "traceback")


def _entry(data: bytes) -> HistoryEntry:
    found = _recorded_in(data)
    if found.kind == "end" and isinstance(found.result, dict):
        # The failure for which it is being undone; the end of it has the traceback.
        why = found.result.get("failure") or {}
        error = {"type": why.get("error_type", "")} | {n: why.get(n, "") for n in _SAID}
        found = msgspec.structs.replace(found, result=None, error=error)
    return HistoryEntry(
        ordinal=found.ordinal,
        kind=found.kind,
        name=found.name,
        started_at=_instant(found.started_ms) if found.started_ms else None,
        duration_ms=found.duration_ms,
        attempt=found.attempt,
        result=found.result,
        error=None if found.error is None else _shown(found.error),
    )


def _recorded_in(data: bytes) -> _Recorded:
    try:
        return _recorded.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        what = {"type": "InvalidPayload", "message": f"can't be read: {error}"}
        return _Recorded(kind="unreadable", error=what)


def _shown(error: Json) -> dict[str, str]:
    return {name: str(error[name]) for name in _SHOWN if name in error}


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _json(raw: bytes | None) -> Any:
    """Return the value, or the text as it stands if it is no JSON."""
    try:
        return msgspec.json.decode(raw or b"null")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _text(raw)


def _object(raw: bytes | None) -> Json:
    found = _json(raw)
    return found if isinstance(found, dict) else {}


def _milliseconds(raw: bytes | None) -> int:
    """Return a number, also the first one of an entry's id; 0 where there is none."""
    digits = (raw or b"").partition(b"-")[0]
    return int(digits) if digits.isdigit() else 0


_LATEST = datetime.max.replace(tzinfo=UTC)


def _instant(ms: float) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return _LATEST


def _instant_or_none(raw: bytes | None) -> datetime | None:
    return None if raw is None else _instant(_milliseconds(raw))
