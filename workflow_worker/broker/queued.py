"""Whether an event is still to be routed or run: in the stream, or in the timers.

Reads in bounded pages, however long the backlog is. Changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.packed import as_text, unpacked

PAGE_BYTES = 256 * 1024
"""About how much is read in one round trip."""
MOST = 100
"""Entries read in one round trip."""

Wanted = Callable[[str, str], bool]
"""Tells, by an event's id and the one workflow it was routed to, empty for none yet,
whether that is it."""

_ENTRY = re.compile(r"\d{1,19}-\d{1,19}")


def event(event_id: str) -> Wanted:
    """Look for an event by its id."""
    return lambda found, _: found == event_id


def starting(partition: Partition, execution_id: str) -> Wanted:
    """Look for the event that starts, or may start, an execution."""

    def wanted(found: str, routed: str) -> bool:
        start = f"{partition.number}-{found}."
        workflow = execution_id.removeprefix(start)
        # What has a slash is a child: its record is made with its parent's commit.
        if workflow == execution_id or "/" in workflow:
            return False
        return routed in ("", workflow)

    return wanted


def find(link: Link, partition: Partition, wanted: Wanted, hint: str = "") -> str:
    """Return where it is queued: an entry's id, ``timers``, or nothing.

    Args:
        link: connection.
        partition: where.
        wanted: what to look for.
        hint: an entry's id, or text that may begin with one: looked at first.
    """
    at = _ENTRY.match(hint)
    if at and _at(link, partition, at[0], wanted):
        return at[0]
    place, last = _in_stream(link, partition, wanted, "-")
    if not place and _in_timers(link, partition, wanted):
        return "timers"
    # What fired meanwhile stands at the end.
    return place or _in_stream(link, partition, wanted, f"({last}")[0]


def _at(link: Link, partition: Partition, entry: str, wanted: Wanted) -> bool:
    rows = link.call("XRANGE", partition.events, entry, entry)
    return any(_fits(entry, fields, wanted) for _, fields in rows)


def _in_stream(
    link: Link, partition: Partition, wanted: Wanted, start: str
) -> tuple[str, str]:
    """Return the id of the entry, or nothing, and of the last one read."""
    last = start.lstrip("(-") or "0-0"
    for entry, fields in _entries(link, partition, start):
        last = entry
        if _fits(entry, fields, wanted):
            return entry, last
    return "", last


def _entries(
    link: Link, partition: Partition, start: str
) -> Iterator[tuple[str, list[bytes]]]:
    count = 10
    while rows := link.call("XRANGE", partition.events, start, "+", "COUNT", count):
        for entry, fields in rows:
            yield entry.decode(), fields
        start = f"({rows[-1][0].decode()}"
        size = sum(len(value) for _, fields in rows for value in fields)
        count = max(1, min(MOST, PAGE_BYTES * len(rows) // max(1, size)))


def _in_timers(link: Link, partition: Partition, wanted: Wanted) -> bool:
    cursor = b"0"
    while True:
        cursor, flat = link.call("HSCAN", partition.timer_data, cursor, "COUNT", 50)
        for name, packed in zip(flat[::2], flat[1::2], strict=True):
            entry = name.decode("utf-8", "replace").partition(":")[2]
            if _fits(entry, unpacked(packed), wanted):
                return True
        if cursor == b"0":
            return False


def _fits(entry: str, fields: Reply, wanted: Wanted) -> bool:
    named = dict(zip(fields[::2], fields[1::2], strict=False))
    event_id = named.get(b"id") or named.get(b"_origin") or entry.encode()
    routed = named.get(b"_workflow", b"")
    return wanted(as_text(event_id), as_text(routed))
