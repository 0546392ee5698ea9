"""What Redis holds when all is over, read once.

Owns the reading, in two pipelines. Must never judge what it reads: that is the
checker's, which gets no connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import redis

from tests.functional.broker.machine.view import View, look
from workflow_worker.broker.keys import WORKERS, Partition

NO_END = -1
"""What PTTL says of a key without an end."""


@dataclass(frozen=True)
class Snapshot:
    """A database at rest.

    Attributes:
        view: keys of the partition, decoded.
        keys: every key of the database, with its time to live in ms; -1: for ever.
        expiring: executions that are forgotten some day.
        early: slots with signals before their execution.
        pending: leased entries, with who owns them.
        consumers: names in the group of workers, with how many entries each owns.
        living: names of those that have a process.
    """

    view: View = field(default_factory=View)
    keys: dict[str, int] = field(default_factory=dict)
    expiring: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()
    pending: tuple[tuple[str, str], ...] = ()
    consumers: dict[str, int] = field(default_factory=dict)
    living: frozenset[str] = frozenset()


def read(
    client: redis.Redis, living: Iterable[str] = (), namespace: str = "wf"
) -> Snapshot:
    """Read everything.

    Args:
        client: of the server.
        living: consumer names of workers that have a process; none once all ended.
        namespace: of the keys.
    """
    partition = Partition(namespace)
    prefix = partition.prefix
    found: Any = list(client.scan_iter(count=10_000))
    names = sorted(set(found))
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.pttl(name)
        ends = pipe.execute()
    with client.pipeline(transaction=False) as pipe:
        pipe.zrange(f"{prefix}expiry", 0, -1)
        pipe.zrange(partition.early, 0, -1)
        pipe.xpending_range(partition.events, WORKERS, "-", "+", 10_000)
        pipe.xinfo_consumers(partition.events, WORKERS)
        expiring, early, pending, consumers = pipe.execute()
    return Snapshot(
        view=look(client, partition),
        keys={text(n): end for n, end in zip(names, ends, strict=True)},
        expiring=frozenset(map(text, expiring)),
        early=frozenset(map(text, early)),
        pending=tuple(
            (text(row["message_id"]), text(row["consumer"])) for row in pending
        ),
        consumers={text(row["name"]): row["pending"] for row in consumers},
        living=frozenset(living),
    )


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
