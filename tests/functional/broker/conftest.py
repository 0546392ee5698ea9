"""Two workers' hands on one database, on every kind of server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.servers import Server
from workflow_worker.broker import boot, claim, fleet
from workflow_worker.broker.claim import Owner, Taken
from workflow_worker.broker.commit import Retention, commit
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.model import Decision, Outcome, Route, Task

PARTITION = Partition("t")
RETENTION = Retention(result_ttl_ms=60_000, result_limit=100)
DONE = Decision(Outcome.COMPLETED)


class Hand:
    """One owner and its link: what a worker does to the database, step by step."""

    def __init__(self, url: str, consumer: str, partition: Partition) -> None:
        self.link = Link(url)
        self.owner = Owner(consumer, partition, 1000, 60_000)
        self.partition = partition

    def take(self, most: int = 10, *, settle_bell: bool = False) -> list[Task]:
        return self.taken(most, settle_bell=settle_bell).tasks

    def taken(self, most: int = 10, *, settle_bell: bool = False) -> Taken:
        return claim.take(self.link, self.owner, most, settle_bell=settle_bell)

    def claim(self, most: int = 10, lease_ms: int = 0) -> list[Task]:
        return claim.claim(self.link, self.owner, lease_ms, most).tasks

    def adopt(self, predecessor: str, **how: Any) -> list[Task]:
        return claim.adopt(self.link, self.owner, predecessor, **how)[1].tasks

    def renew(self, *tasks: Task) -> list[bool]:
        held = [(task.entry, task.count) for task in tasks]
        return claim.renew(self.link, self.owner, held)

    def requeue(self, *tasks: Task, delay_ms: int = 0) -> list[bool]:
        return claim.requeue(self.link, self.owner, tasks, delay_ms)

    def commit(
        self,
        *tasks: Task,
        decision: Decision = DONE,
        retention: Retention = RETENTION,
    ) -> list[bool]:
        batch = [(task, decision) for task in tasks]
        return commit(self.link, self.owner, batch, retention)


class Database:
    """The database under test, and hands to work on it."""

    def __init__(self, server: Server, client: redis.Redis) -> None:
        self.server = server
        self.client = client
        self.partition = PARTITION
        self.hands: list[Hand] = []

    def hand(self, consumer: str = "a") -> Hand:
        hand = Hand(self.server.url, consumer, PARTITION)
        self.hands.append(hand)
        return hand

    def add(self, name: str = "go", **fields: Any) -> str:
        entry = self.client.xadd(PARTITION.events, {"name": name, **fields})
        return str(entry.decode())

    def stats(self) -> dict[str, int]:
        flat = self.client.hgetall(PARTITION.stats)
        return {name.decode(): int(value) for name, value in flat.items()}

    def pending(self) -> int:
        return int(self.client.xpending(PARTITION.events, "workers")["pending"])

    def backlog(self) -> int:
        return int(self.client.xlen(PARTITION.events))

    def dead(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in self.client.xrange(PARTITION.dead)]

    def all_keys(self) -> set[str]:
        return {key.decode() for key in self.client.keys("*")}


@pytest.fixture
def base(any_server: Server) -> Iterator[Database]:
    """An empty database where ``go`` starts workflow ``w``, ``both`` two of them."""
    with any_server.client() as client:
        client.flushall()
        link = Link(any_server.url)
        boot.check(link, PARTITION)
        fleet.register(
            link,
            PARTITION,
            (
                Route("w", names=("go", "both")),
                Route("v", names=("both",), patterns=("^order%..*$",)),
            ),
        )
        link.close()
        database = Database(any_server, client)
        yield database
        for hand in database.hands:
            hand.link.close()
