"""What ``wfworker doctor`` reads of the work: the stream, its leases, timers, letters.

Only reads, and never more than some hundred rows of anything. Must never judge what it
finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from redis.exceptions import ResponseError

from workflow_worker.broker.checkup import Unreadable, answer, ask, ask_all
from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.fleet import ROUTES_TTL_MS
from workflow_worker.broker.instances import Instance, instances
from workflow_worker.broker.keys import WORKERS, Partition
from workflow_worker.broker.listing import STATUSES
from workflow_worker.broker.packed import as_text, pairs, unpacked
from workflow_worker.errors import Unavailable

MOST_LEASES = 1000
"""Leases that are looked at."""
MOST_TIMERS = 500
"""Timers that are looked at, the next ones."""
MOST_BYTES = 16 * 1024
"""Size of a put-back that is read; a larger one is passed over."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The whole at one moment; all but what is leased was read in one transaction.

    Attributes:
        server_ms: the server's clock.
        stats: the exact counters.
        statuses: how many executions have which status.
        stream: entries in the stream, leased ones included.
        leased: how many of them.
        timers: how many are set.
        overdue: of how many the time was over five seconds ago.
        next_due_ms: when the next one is due; None without timers.
        letters: dead letters.
        early: slots with signals whose execution has not begun.
        waiting_since_ms: when the oldest entry came that nobody took; None for none.
    """

    server_ms: int
    stats: dict[str, int]
    statuses: dict[str, int]
    stream: int
    leased: int
    timers: int
    overdue: int
    next_due_ms: float | None
    letters: int
    early: int
    waiting_since_ms: int | None

    @property
    def waiting(self) -> int:
        """Entries that nobody has taken."""
        return max(0, self.stream - self.leased)


OVERDUE_MS = 5000
"""How long after its time a timer counts as overdue."""


def moment(link: Link, partition: Partition) -> Moment:
    """Read the whole; two round trips, and one row of each thing at most.

    No script, as for :func:`~workflow_worker.broker.figures.figures`: where those are
    refused or slow, something is to be found all the same.
    """
    seconds, micros = ask(link, "TIME")
    now = int(seconds) * 1000 + int(micros) // 1000
    groups = _groups(link, partition)
    last = groups.get(WORKERS, {}).get("last-delivered-id", b"0-0").decode()
    replies = ask_all(
        link,
        [
            ("MULTI",),
            ("HGETALL", partition.stats),
            *(("ZCARD", partition.by_status(status)) for status in STATUSES),
            ("XLEN", partition.events),
            ("ZCARD", partition.timers),
            ("ZCOUNT", partition.timers, "-inf", now - OVERDUE_MS),
            ("ZRANGE", partition.timers, 0, 0, "WITHSCORES"),
            ("XLEN", partition.dead),
            ("ZCARD", partition.early),
            ("XRANGE", partition.events, f"({last}", "+", "COUNT", 1),
            ("EXEC",),
        ],
    )
    stats, *rest = (answer("EXEC", reply) for reply in replies[-1])
    statuses = dict(zip(STATUSES, map(int, rest[: len(STATUSES)]), strict=True))
    stream, timers, overdue, first, letters, early, untaken = rest[len(STATUSES) :]
    return Moment(
        server_ms=now,
        stats={name: int(value) for name, value in pairs(stats).items()},
        statuses=statuses,
        stream=int(stream),
        leased=int(groups.get(WORKERS, {}).get("pending", 0)),
        timers=int(timers),
        overdue=int(overdue),
        next_due_ms=float(first[1]) if first else None,
        letters=int(letters),
        early=int(early),
        waiting_since_ms=int(untaken[0][0].partition(b"-")[0]) if untaken else None,
    )


def _groups(link: Link, partition: Partition) -> dict[str, dict[str, Reply]]:
    if not ask(link, "EXISTS", partition.events):
        return {}
    rows = map(pairs, ask(link, "XINFO", "GROUPS", partition.events))
    return {row["name"].decode(): row for row in rows}


@dataclass(frozen=True, slots=True)
class Lease:
    """An entry that a worker has taken.

    Attributes:
        entry: its id.
        consumer: the worker.
        idle_ms: since it was taken or renewed.
        deliveries: how often it was handed out.
    """

    entry: str
    consumer: str
    idle_ms: int
    deliveries: int

    @property
    def instance(self) -> str:
        """Name of the service whose worker this is."""
        return self.consumer.rsplit(".", 2)[0]


def leases(link: Link, partition: Partition, idle_ms: int = 0) -> list[Lease]:
    """Return leases in the order of the stream, those that are idle for so long."""
    if WORKERS not in _groups(link, partition):
        return []
    place = (partition.events, WORKERS, "IDLE", idle_ms, "-", "+", MOST_LEASES)
    return [
        Lease(row[0].decode(), as_text(row[1]), int(row[2]), int(row[3]))
        for row in ask(link, "XPENDING", *place)
    ]


@dataclass(frozen=True, slots=True)
class Consumer:
    """A worker's name, as the server knows it."""

    name: str
    pending: int
    idle_ms: int

    @property
    def instance(self) -> str:
        """Name of the service whose worker this is."""
        return self.name.rsplit(".", 2)[0]


def consumers(link: Link, partition: Partition) -> list[Consumer]:
    """Return every consumer of the workers' group."""
    if WORKERS not in _groups(link, partition):
        return []
    rows = map(pairs, ask(link, "XINFO", "CONSUMERS", partition.events, WORKERS))
    return [
        Consumer(as_text(row["name"]), int(row["pending"]), int(row["idle"]))
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class PutBack:
    """An entry that was given back, and waits in the timers.

    Attributes:
        why: for which reason, see :class:`~workflow_worker.model.PutBack`.
        since_ms: when it was given back first for this reason.
        workflow: to which it was routed; empty for a wake.
        wakes: id of the execution that is to run again; empty for an event.
    """

    why: str
    since_ms: int
    workflow: str
    wakes: str


def put_backs(link: Link, partition: Partition) -> list[PutBack]:
    """Return what was put back, of the next timers."""
    names = ask(link, "ZRANGE", partition.timers, 0, MOST_TIMERS - 1)
    names = [name for name in names if name.startswith(b"p:")]
    sizes = ask_all(link, [("HSTRLEN", partition.timer_data, name) for name in names])
    small = [n for n, size in zip(names, sizes, strict=True) if size <= MOST_BYTES]
    held = ask(link, "HMGET", partition.timer_data, *small) if small else []
    return [_put_back(packed) for packed in held if packed]


def _put_back(packed: bytes) -> PutBack:
    flat = unpacked(packed)
    found = dict(zip(flat[::2], map(as_text, flat[1::2]), strict=False))
    since = found.get(b"_since", "")
    return PutBack(
        found.get(b"_why", ""),
        int(since) if since.isdigit() else 0,
        found.get(b"_workflow", ""),
        found.get(b"_wake", ""),
    )


def workflows_of(link: Link, partition: Partition, ids: list[str]) -> list[str]:
    """Return the workflow of each of these executions that has a record."""
    records = [("HGET", partition.record(each), "workflow") for each in ids]
    return [as_text(name) for name in ask_all(link, records) if name]


@dataclass(frozen=True, slots=True)
class Told:
    """What one distinct App told the fleet.

    Attributes:
        workflows: their names.
        renewed_ms: when a worker with it told so last, by the server's clock.
    """

    workflows: frozenset[str]
    renewed_ms: int


class _Known(msgspec.Struct):
    expires: str
    routes: str


def told(link: Link, partition: Partition) -> list[Told]:
    """Return what the Apps want that count: those renewed within the last hour."""
    flat = pairs(ask(link, "HGETALL", partition.routes))
    return [_told(value) for name, value in flat.items() if name.startswith("@")]


def _told(value: bytes) -> Told:
    try:
        known = msgspec.json.decode(value, type=_Known)
        routes = msgspec.json.decode(known.routes, type=list[list[msgspec.Raw]])
        names = (msgspec.json.decode(route[0], type=str) for route in routes)
        return Told(frozenset(names), int(known.expires) - ROUTES_TTL_MS)
    except (msgspec.MsgspecError, ValueError, IndexError) as error:
        raise Unreadable(
            f"routes are not as this version writes them: {error}"
        ) from error


@dataclass(frozen=True, slots=True)
class Letter:
    """The newest dead letter; never its payload, nor a message that may quote it."""

    id: str
    at_ms: int
    workflow: str
    error_type: str


def newest_letter(link: Link, partition: Partition) -> Letter | None:
    """Return the newest dead letter; None if there is none."""
    rows = ask(link, "XREVRANGE", partition.dead, "+", "-", "COUNT", 1)
    if not rows:
        return None
    [(letter_id, fields)] = rows
    found = pairs(fields)
    return Letter(
        letter_id.decode(),
        int(letter_id.partition(b"-")[0]),
        as_text(found.get("workflow", b"")),
        as_text(found.get("error_type", b"")),
    )


def services(link: Link, partition: Partition) -> list[Instance]:
    """Return the instances, as :func:`instances` does; errors as for :func:`ask`."""
    try:
        return instances(link, partition)
    except (ResponseError, Unavailable) as error:
        found: list[Instance] = answer("reading instances", error)
        return found


def protocol(link: Link, partition: Partition) -> str:
    """Return the protocol version of whoever used this namespace; empty for nobody."""
    return as_text(ask(link, "HGET", partition.meta, "protocol") or b"")
