"""How much there is of everything: queued, leased, timed, kept, counted. No scan.

Changes nothing.
"""

from __future__ import annotations

import msgspec
from redis.exceptions import ResponseError

from workflow_worker.broker import scripts
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import WORKERS, Partition
from workflow_worker.broker.listing import STATUSES
from workflow_worker.broker.packed import pairs
from workflow_worker.errors import Rejected, Unavailable


class Figures(msgspec.Struct, frozen=True):
    """One moment of one partition, by the server's clock.

    Attributes:
        server_ms: when that was.
        backlog: events in the stream, those that run included.
        pending: how many of them somebody has taken.
        oldest_waiting_ms: age of the oldest that nobody has taken; None if there is
            none.
        oldest_pending_ms: age of the oldest that somebody has; likewise.
        timers: delayed events, retries, sleeps and ends of waits that are set.
        next_timer_ms: until the next one is due, negative if it is overdue; None if
            none is set.
        dead_letters: how many are kept.
        counters: exact, of the whole fleet since the database was made.
        executions: how many records there are of each status. A running one without
            a journal has none yet.
    """

    server_ms: int
    backlog: int
    pending: int
    oldest_waiting_ms: int | None
    oldest_pending_ms: int | None
    timers: int
    next_timer_ms: int | None
    dead_letters: int
    counters: dict[str, int]
    executions: dict[str, int]


def figures(link: Link, partition: Partition) -> Figures:
    """Return all figures of one moment, in one round trip.

    Raises:
        Unavailable, OutcomeUnknown: see :meth:`Link.call`.
        Rejected: the keys hold something else.
    """
    try:
        reply = scripts.run(link, "figures", partition, *STATUSES)
    except ResponseError as error:
        raise Rejected(f"Redis refuses what it has for the fleet: {error}") from error
    now, length, waiting, pending, longest, timers, due, dead, flat, statuses = reply
    return Figures(
        server_ms=now,
        backlog=length,
        pending=pending,
        oldest_waiting_ms=_age(waiting, now),
        oldest_pending_ms=_age(longest, now),
        timers=timers,
        next_timer_ms=round(float(due)) - now if due else None,
        dead_letters=dead,
        counters={name: int(value) for name, value in pairs(flat).items()},
        executions=dict(zip(STATUSES, statuses, strict=True)),
    )


def stats(link: Link, partition: Partition) -> dict[str, int]:
    """Return the counters of the whole fleet alone."""
    flat = link.call("HGETALL", partition.stats)
    return {name: int(value) for name, value in pairs(flat).items()}


def backlog(link: Link, partition: Partition) -> tuple[int, int]:
    """Return backlog and pending alone: each worker asks every few seconds."""
    length, groups = link.calls(
        [("XLEN", partition.events), ("XINFO", "GROUPS", partition.events)]
    )
    for answer in (length, groups):
        if isinstance(answer, Unavailable):
            raise answer
    if isinstance(groups, Exception):  # no such stream yet
        return int(length), 0
    for group in groups:
        facts = pairs(group)
        if facts["name"] == WORKERS.encode():
            return int(length), int(facts["pending"])
    return int(length), 0


def _age(entry: bytes, now: int) -> int | None:
    """Return how old a stream entry is in ms; a foreign producer may have dated it."""
    return max(0, now - int(entry.partition(b"-")[0])) if entry else None
