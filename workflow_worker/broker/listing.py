"""Which executions there are, the last changed first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice

from workflow_worker.broker.connection import Link
from workflow_worker.broker.executions import Execution, executions
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.packed import as_text

STATUSES = ("running", "waiting", "retrying", "completed", "failed", "cancelled")
PAGE = 100
"""Ids or records in one round trip."""


def newest(
    link: Link,
    partition: Partition,
    *,
    status: str | None = None,
    workflow: str | None = None,
    key: str | None = None,
    limit: int = 100,
) -> list[Execution]:
    """Return executions without their history, the last changed first.

    What changes meanwhile may be missing: this is no snapshot.

    Args:
        link: connection.
        partition: where.
        status: only those with this one.
        workflow: only those of this workflow.
        key: only those with this business key.
        limit: most executions returned.

    Raises:
        ValueError: there is no such status.
    """
    if status is not None and status not in STATUSES:
        raise ValueError(
            f"status is {status!r}, but must be one of {', '.join(STATUSES)}"
        )
    found: list[Execution] = []
    ids = _ids(link, partition, STATUSES if status is None else (status,))
    everything = workflow is None and key is None
    while (left := limit - len(found)) > 0:
        page = list(islice(ids, min(left, PAGE) if everything else PAGE))
        if not page:
            break
        if not everything:
            page = _of(link, partition, page, workflow, key)
        records = executions(link, partition, page).values()
        found += [each for each in records if status in (None, each.status)]
    return found[: max(limit, 0)]


def _ids(link: Link, partition: Partition, statuses: Iterable[str]) -> Iterator[str]:
    ways = [_newest_first(link, partition.by_status(status)) for status in statuses]
    seen: set[bytes] = set()  # one that changed its status in between stands in two
    for _, execution_id in heapq.merge(*ways, reverse=True):
        if execution_id not in seen:
            seen.add(execution_id)
            yield as_text(execution_id)


def _newest_first(link: Link, name: str) -> Iterator[tuple[float, bytes]]:
    """Yield the score and id of each member, page by page.

    Pages go on by score, not by rank: members that leave must not make it skip others.
    """
    highest, passed = "+inf", 0
    while True:
        flat = link.call(
            "ZREVRANGEBYSCORE",
            *(name, highest, "-inf", "WITHSCORES", "LIMIT", passed, PAGE),
        )
        scores = flat[1::2]
        for execution_id, score in zip(flat[::2], scores, strict=True):
            yield float(score), execution_id
        if len(scores) < PAGE:
            return
        last = scores[-1].decode()
        passed = scores.count(scores[-1]) + (passed if last == highest else 0)
        highest = last


def _of(
    link: Link,
    partition: Partition,
    ids: list[str],
    workflow: str | None,
    key: str | None,
) -> list[str]:
    """Return the ids whose record has this workflow and key."""
    replies = link.calls(
        [("HMGET", partition.record(each), "workflow", "key") for each in ids]
    )
    wanted = [None if text is None else text.encode() for text in (workflow, key)]

    def fits(found: object) -> bool:
        if not isinstance(found, list):
            raise found if isinstance(found, Exception) else TypeError(found)
        pairs = zip(wanted, found, strict=True)
        return all(value in (None, held) for value, held in pairs)

    return [each for each, reply in zip(ids, replies, strict=True) if fits(reply)]
