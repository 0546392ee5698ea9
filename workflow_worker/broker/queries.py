"""Reading what Redis knows, for people and programs. Changes nothing."""

from __future__ import annotations

import msgspec

from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import WORKERS, Partition
from workflow_worker.broker.packed import unpacked


class DeadLetter(msgspec.Struct, frozen=True):
    """An event that could not be executed, kept whole until a person decides.

    Attributes:
        id: of the letter.
        event_name: name of the event, empty if it had none.
        workflow: which workflow failed, empty if none was reached.
        execution_id: which execution failed, empty if none was started.
        category: transient, recoverable or permanent.
        error_type: class of the error.
        message: its text.
        traceback: where it happened, empty if no user code was involved.
        deliveries: how often the event was handed out.
        fields: the event's own fields as they stood in the stream.
    """

    id: str
    event_name: str
    workflow: str
    execution_id: str
    category: str
    error_type: str
    message: str
    traceback: str
    deliveries: int
    fields: dict[str, bytes]


def stats(link: Link, partition: Partition) -> dict[str, int]:
    """Return the exact counters of the whole fleet."""
    flat = link.call("HGETALL", partition.stats)
    return {name: int(value) for name, value in _pairs(flat).items()}


def backlog(link: Link, partition: Partition) -> tuple[int, int]:
    """Return how many events are in the stream, and how many of them are leased."""
    length, groups = link.calls(
        [("XLEN", partition.events), ("XINFO", "GROUPS", partition.events)]
    )
    if isinstance(groups, Exception):  # no such stream yet
        return int(length), 0
    for group in groups:
        facts = _pairs(group)
        if facts["name"] == WORKERS.encode():
            return int(length), int(facts["pending"])
    return int(length), 0


def dead_letters(
    link: Link, partition: Partition, limit: int, after: str = "-"
) -> list[DeadLetter]:
    """Return up to ``limit`` dead letters, oldest first, beginning behind ``after``."""
    start = "-" if after == "-" else f"({after}"
    rows = link.call("XRANGE", partition.dead, start, "+", "COUNT", limit)
    return [_letter(row[0].decode(), _pairs(row[1])) for row in rows]


def _letter(letter_id: str, found: dict[str, bytes]) -> DeadLetter:
    fields = {name[2:]: value for name, value in found.items() if name[:2] == "e:"}
    if "packed" in found:
        fields = _pairs(unpacked(found["packed"]))

    def text(name: str) -> str:
        return found.get(name, b"").decode("utf-8", "replace")

    return DeadLetter(
        id=letter_id,
        event_name=fields.get("name", b"").decode("utf-8", "replace"),
        workflow=text("workflow"),
        execution_id=text("execution_id"),
        category=text("category"),
        error_type=text("error_type"),
        message=text("message"),
        traceback=text("traceback"),
        deliveries=int(found.get("deliveries", b"0")),
        fields=fields,
    )


def _pairs(flat: list[bytes]) -> dict[str, bytes]:
    values = iter(flat)
    return {
        name.decode("utf-8", "backslashreplace"): value
        for name, value in zip(values, values, strict=True)
    }
