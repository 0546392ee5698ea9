"""Executions as text for people: a table, or one of them with its history.

Owns what is cut: whoever wants all of it asks for JSON. Must not pass on characters
that move a terminal's cursor; names and values come from anybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workflow_worker.cli.text import (
    WIDEST,
    Row,
    aligned,
    cut,
    lasting,
    plain,
    stamp,
)

if TYPE_CHECKING:
    from workflow_worker.client import Execution, HistoryEntry

LONGEST = 120
"""Characters of a value."""


def as_table(found: list[Execution]) -> str:
    """Return executions as aligned columns, one a line."""
    rows: list[Row] = [("ID", "WORKFLOW", "KEY", "STATUS", "STATE", "UPDATED")]
    rows += (
        (
            plain(each.id),  # whole: it is what other commands want
            cut(each.workflow, WIDEST),
            cut(each.key, WIDEST),
            each.status,
            cut(each.state, WIDEST),
            stamp(each.updated_at),
        )
        for each in found
    )
    return "\n".join(aligned(rows))


def as_text(found: Execution) -> str:
    """Return an execution as lines of what it is, then one for each thing it did."""
    lines = aligned([(f"{name}:", text) for name, text in _header(found) if text])
    history = [_step(entry) for entry in found.history]
    return "\n".join([*lines, *([""] if history else []), *aligned(history)])


def _header(found: Execution) -> Iterator[tuple[str, str]]:
    yield "id", plain(found.id)
    yield "workflow", plain(f"{found.workflow} {found.version}".rstrip())
    yield "key", plain(found.key)
    attempt = f", attempt {found.attempt}" if found.attempt > 1 else ""
    yield "status", found.status + attempt
    yield "state", plain(found.state)
    yield "started", stamp(found.started_at)
    yield "updated", stamp(found.updated_at)
    yield "waits for", plain(", ".join(found.waiting_for))
    yield "due", stamp(found.due_at) if found.due_at else ""
    yield "parent", plain(found.parent)
    yield "data", value(found.data) if found.data else ""
    yield "result", value(found.result) if found.status == "completed" else ""
    yield "error", failure(found.error)


def _step(entry: HistoryEntry) -> Row:
    return (
        str(entry.ordinal),
        plain(entry.kind),
        cut(entry.name, WIDEST),
        stamp(entry.started_at) if entry.started_at else "",
        lasting(entry.duration_ms),
        f"attempt {entry.attempt}" if entry.attempt > 1 else "",
        failure(entry.error) or outcome(entry),
    )


def outcome(entry: HistoryEntry) -> str:
    """Return what came of a step in one line: of a wait, which signal with what."""
    if entry.kind != "wait":
        return value(entry.result)
    if not isinstance(entry.result, dict):
        return "timed out"
    came = cut(str(entry.result.get("name", "")), WIDEST)
    return f"{came} {value(entry.result.get('payload'))}".rstrip()


def failure(error: dict[str, str] | None) -> str:
    """Return an error in one line; empty for none."""
    if error is None:
        return ""
    category = f" ({error['category']})" if error.get("category") else ""
    return cut(f"{error.get('type')}: {error.get('message')}{category}", LONGEST)


def value(found: object) -> str:
    """Return a value as JSON, cut; empty for null."""
    if found is None:
        return ""
    return cut(json.dumps(found, ensure_ascii=False), LONGEST)
