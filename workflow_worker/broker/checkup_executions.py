"""What ``wfworker doctor`` reads of open executions: what is to make each go on.

Only reads. Looks at those of each status that changed longest ago, and only as far as
some thousand rows and some megabytes. Must never judge what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from workflow_worker.broker.checkup import ask, ask_all
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.packed import as_text, unpacked

OPEN = ("running", "waiting", "retrying")
MOST = 1000
"""Executions of each status that are looked at."""
MOST_ENTRIES = 10_000
"""Entries of the stream, and timers, among which a wake is looked for."""
MOST_BYTES = 32 * 1024 * 1024
"""Bytes of the stream that are read for it."""
PAGE = 100
"""Records or entries in one round trip."""
PAGE_BYTES = 256 * 1024
"""About how much of the stream is read in one round trip."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Open:
    """One open execution, and what could make it go on.

    Attributes:
        id: which.
        status: running, waiting or retrying; another one if it has ended meanwhile.
        step: how many commits it has had.
        since_ms: when its status changed last.
        awaits: names of what it waits for.
        due_ms: when its wait ends or its next try is due, as its record says; None
            for never.
        has_timer: a timer is set for it.
        has_wake: an entry says to run it; None if that could not be found out.
        has_come: something that it waits for is in its inbox.
        lost_child: a child it waits for has no record, and told no end.
        inbox: how many items are in its inbox.
    """

    id: str
    status: str
    step: str
    since_ms: float
    awaits: tuple[str, ...]
    due_ms: float | None
    has_timer: bool
    has_wake: bool | None
    has_come: bool
    lost_child: bool
    inbox: int


def oldest(link: Link, partition: Partition) -> list[str]:
    """Return the open executions whose status changed longest ago."""
    ranges = [("ZRANGE", partition.by_status(s), 0, MOST - 1) for s in OPEN]
    return [as_text(each) for found in ask_all(link, ranges) for each in found]


def look(link: Link, partition: Partition, ids: Iterable[str]) -> list[Open]:
    """Return what is known of each of these.

    Those that move on while they are looked at are left out: they are not stuck, and
    what was read of them is of two moments.
    """
    records = list(_records(link, partition, list(dict.fromkeys(ids))))
    wakes = Wakes()
    if any(record.status == "running" for record in records):
        wakes = outstanding(link, partition)
    return [each for page in _pages(records) for each in _open(page, link, wakes)]


# --- records ----------------------------------------------------------------------

_FIELDS = ("status", "step", "workflow", "origin", "start", "names", "due", "again")


@dataclass(frozen=True, slots=True)
class _Record:
    partition: Partition
    id: str
    status: str
    step: str
    workflow: str
    origin: str
    start: str
    names: str
    due: str
    again: str

    @property
    def awaits(self) -> tuple[str, ...]:
        return tuple(filter(None, self.names.split("\0")))

    @property
    def due_ms(self) -> float | None:
        return min(map(float, filter(None, (self.due, self.again))), default=None)

    def commands(self) -> list[tuple[str | bytes | int, ...]]:
        """Return what else has to be asked; see :func:`_open`."""
        place = self.partition
        inbox = place.inbox(self.id)
        sent: list[tuple[str | bytes | int, ...]] = [
            ("HMGET", place.record(self.id), "status", "step"),
            ("ZSCORE", place.by_status(self.status), self.id),
            ("ZSCORE", place.timers, f"w:{self.id}"),
            ("HGET", inbox, "n"),
        ]
        for name in self.awaits:
            sent.append(("HMGET", inbox, f"h:{name}", f"t:{name}"))
            sent.append(("EXISTS", place.record(f"{self.id}{name}")))
        return sent


def _records(link: Link, partition: Partition, ids: list[str]) -> Iterator[_Record]:
    for page in _pages(ids):
        replies = ask_all(
            link, [("HMGET", partition.record(each), *_FIELDS) for each in page]
        )
        for execution_id, values in zip(page, replies, strict=True):
            record = _Record(
                partition, execution_id, *(as_text(v or b"") for v in values)
            )
            if record.status in OPEN:
                yield record


def _open(page: list[_Record], link: Link, wakes: Wakes) -> Iterator[Open]:
    sent = [record.commands() for record in page]
    replies = iter(ask_all(link, [command for each in sent for command in each]))
    for record in page:
        now, since = tuple(as_text(v or b"") for v in next(replies)), next(replies)
        timer, inbox = next(replies), next(replies)
        come = lost = False
        for name in record.awaits:
            (gone, came), child = next(replies), next(replies)
            here = int(came or 0) > int(gone or 0)
            come = come or here
            lost = lost or (name.startswith("/") and not child and not here)
        if since is None or now != (record.status, record.step):
            continue
        yield Open(
            id=record.id,
            status=record.status,
            step=record.step,
            since_ms=float(since),
            awaits=record.awaits,
            due_ms=record.due_ms,
            has_timer=timer is not None,
            has_wake=wakes.wakes(record),
            has_come=come,
            lost_child=lost,
            inbox=int(inbox or 0),
        )


# --- wakes ------------------------------------------------------------------------


@dataclass(slots=True)
class Wakes:
    """Which executions some entry says to run, in the stream or put back.

    Attributes:
        executions: named by a wake.
        routed: workflow and event id of entries that were routed to one.
        entries: ids of all entries: any may be the start of one.
        complete: everything was read.
    """

    executions: set[str] = field(default_factory=set)
    routed: set[tuple[str, str]] = field(default_factory=set)
    entries: set[str] = field(default_factory=set)
    complete: bool = False

    def add(self, flat: list[bytes], entry: str = "") -> None:
        """Note an entry by its fields."""
        found = dict(zip(flat[::2], flat[1::2], strict=False))
        if b"_wake" in found:
            self.executions.add(as_text(found[b"_wake"]))
        elif b"_workflow" in found:
            origin = found.get(b"_origin") or found.get(b"id") or entry.encode()
            self.routed.add((as_text(found[b"_workflow"]), as_text(origin)))
        elif entry:
            self.entries.add(entry)

    def wakes(self, record: _Record) -> bool | None:
        """Tell whether one is outstanding; None if that is not known."""
        found = (
            record.id in self.executions
            or (record.workflow, record.origin) in self.routed
            or (record.start or record.origin) in self.entries
        )
        return True if found else (False if self.complete else None)


def outstanding(link: Link, partition: Partition) -> Wakes:
    """Read the stream, what was put back, and what came into the stream meanwhile.

    In this order: what moves from one to the other while they are read is not missed,
    nor what moves twice: put back, it stays in the timers for a while.
    """
    found = Wakes()
    count, timers = ask_all(
        link, [("XLEN", partition.events), ("ZCARD", partition.timers)]
    )
    if max(count, timers) > MOST_ENTRIES:
        return found
    last, whole = _stream(link, partition, found, "-")
    held = _put_back(link, partition, found)
    _, rest = _stream(link, partition, found, f"({last}" if last else "-")
    again = _put_back(link, partition, found)
    found.complete = whole and held and rest and again
    return found


def _stream(
    link: Link, partition: Partition, found: Wakes, start: str
) -> tuple[str, bool]:
    """Note every entry; return the id of the last one, and whether all were read."""
    last, count, read = "", 10, 0
    while rows := ask(link, "XRANGE", partition.events, start, "+", "COUNT", count):
        for entry, fields in rows:
            found.add(fields, entry.decode())
        last = rows[-1][0].decode()
        start = f"({last}"
        size = sum(len(value) for _, fields in rows for value in fields)
        read += size
        if read > MOST_BYTES:
            return last, False
        # The next ones may be larger than these: never very many at once.
        count = max(1, min(PAGE, PAGE_BYTES * len(rows) // max(1, size)))
    return last, True


def _put_back(link: Link, partition: Partition, found: Wakes) -> bool:
    names = ask(link, "ZRANGE", partition.timers, 0, MOST_ENTRIES)
    names = [name for name in names if name.startswith(b"p:")]
    sizes = ask_all(link, [("HSTRLEN", partition.timer_data, name) for name in names])
    if sum(sizes) > MOST_BYTES:
        return False
    for page in _pages(names):
        for packed in ask(link, "HMGET", partition.timer_data, *page):
            found.add(unpacked(packed or b""))
    return True


def _pages(rows: list[T]) -> Iterator[list[T]]:
    for first in range(0, len(rows), PAGE):
        yield rows[first : first + PAGE]
