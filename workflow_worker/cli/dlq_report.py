"""Dead letters as text for people: a table, or one of them whole.

Owns what is cut in the table: whoever wants all of it looks at one, or asks for JSON.
Must not pass on characters that move a terminal's cursor.
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
    numbered,
    plain,
    stamp,
)

if TYPE_CHECKING:
    from workflow_worker.client import DeadLetter, Handled

NO_WORKFLOW = "(no workflow)"


def as_table(found: list[DeadLetter]) -> str:
    """Return letters as aligned columns, one a line."""
    rows: list[Row] = [("ID", "WORKFLOW", "EVENT", "ERROR", "MESSAGE", "LAST TRIED")]
    rows += (
        (
            plain(each.id),
            cut(each.workflow or NO_WORKFLOW, WIDEST),
            cut(each.event_name, WIDEST),
            cut(each.error_type.rpartition(".")[2], WIDEST),
            cut(each.message, WIDEST),
            stamp(each.last_tried_at) if each.last_tried_at else "",
        )
        for each in found
    )
    return "\n".join(aligned(rows))


def as_text(letter: DeadLetter) -> str:
    """Return all of a letter: what failed and why, its event, what can be done."""
    parts = [
        aligned([(f"{name}:", text) for name, text in _header(letter) if text]),
        ["event:", *(f"  {line}" for line in _event(letter))],
    ]
    if letter.traceback:
        lines = letter.traceback.rstrip("\n").split("\n")
        parts.append(["traceback:", *(f"  {plain(line)}".rstrip() for line in lines)])
    parts.append(
        [
            f"again:   wfworker dlq retry {plain(letter.id)}",
            f"no more: wfworker dlq purge {plain(letter.id)}",
        ]
    )
    return "\n\n".join("\n".join(lines) for lines in parts)


def _header(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    yield "id", plain(letter.id)
    yield "workflow", plain(letter.workflow)
    yield "execution", plain(letter.execution_id)
    yield "error", plain(letter.error_type)
    yield "message", plain(letter.message)
    yield "category", plain(letter.category)
    yield "reason", plain(letter.reason)
    yield "action", plain(letter.action)
    yield "attempts", str(letter.attempts or "")
    yield "deliveries", str(letter.deliveries or "")
    yield "worker's end", plain(letter.exit)
    first, last = letter.first_tried_at, letter.last_tried_at
    yield "first tried", stamp(first) if first else ""
    yield "last tried", stamp(last) if last else ""


def _event(letter: DeadLetter) -> list[str]:
    event = letter.as_object()["event"]
    rows = [(f"{name}:", plain(event[name])) for name in ("name", "key", "id")]
    rows += (
        (f"{name}:", plain(json.dumps(event[name], ensure_ascii=False)))
        for name in ("payload", "headers")
    )
    return aligned(rows)


def as_summary(done: Handled, verb: str, executions: str) -> str:
    """Return what was done in a line, and one more for each workflow.

    Args:
        done: what that is.
        verb: what it was: ``retried``.
        executions: what became of executions: ``going on``.
    """
    lines = [
        f"{letters(done.letters)} {verb}; executions {executions}: {done.executions}"
    ]
    if done.workflows:
        lines += aligned(
            (f"  {cut(name or NO_WORKFLOW, WIDEST)}", str(count))
            for name, count in sorted(done.workflows.items())
        )
    return "\n".join(lines)


def letters(count: int) -> str:
    """Return so many letters in words."""
    return numbered(count, "dead letter")
