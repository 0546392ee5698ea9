"""Reading what Redis counts. Changes nothing."""

from __future__ import annotations

from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import WORKERS, Partition
from workflow_worker.broker.packed import pairs
from workflow_worker.errors import Unavailable


def stats(link: Link, partition: Partition) -> dict[str, int]:
    """Return the exact counters of the whole fleet."""
    flat = link.call("HGETALL", partition.stats)
    return {name: int(value) for name, value in pairs(flat).items()}


def backlog(link: Link, partition: Partition) -> tuple[int, int]:
    """Return how many events are in the stream, and how many of them are leased."""
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
