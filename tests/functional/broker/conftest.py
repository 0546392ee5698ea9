"""Two workers' hands on one database, on every kind of server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.functional.broker.audit import Books
from tests.servers import Server
from workflow_worker.broker import boot, claim, control, fleet, journal
from workflow_worker.broker.claim import Owner, Taken
from workflow_worker.broker.commit import Landed, Retention, commit
from workflow_worker.broker.connection import Link
from workflow_worker.broker.journal import Appended
from workflow_worker.broker.keys import Partition
from workflow_worker.model import Decision, Outcome, Route, Task, Wait

PARTITION = Partition("t")
RETENTION = Retention(result_ttl_ms=60_000, result_limit=100)
DONE = Decision(Outcome.COMPLETED)
TTL_MS = 60_000
"""How long early signals, publish ids and results are kept."""


S_SIGNALS = ("step", "other", "knock", "shout")
"""Signals that the workflow ``s`` takes; the last is also one of ``r``."""


def suspended(
    ordinal: int, *names: str, delay_ms: int | None = None, **more: Any
) -> Decision:
    """The decision to wait for one of these, no longer than that."""
    wait = Wait(ordinal, names, delay_ms)
    return Decision(Outcome.SUSPENDED, wait=wait, **more)


def received(task: Task) -> list[tuple[str, str]]:
    """Name and publish id, or else payload, of what is in the inbox handed out."""
    found = []
    for item in task.inbox:
        pairs = iter(field.decode() for field in item.fields)
        fields = dict(zip(pairs, pairs, strict=True))
        found.append((item.name, fields.get("id") or fields.get("payload", "")))
    return found


class Hand:
    """One owner and its link: what a worker does to the database, step by step.

    With ``ahead_ms`` it does so that much later: timers are due, what expires has.
    """

    def __init__(
        self, url: str, consumer: str, ahead_ms: int = 0, inbox_limit: int = 1000
    ) -> None:
        self.link = Link(url)
        self.partition = Partition(PARTITION.namespace, ahead_ms=ahead_ms)
        limits = (1000, TTL_MS, TTL_MS, inbox_limit)
        self.owner = Owner(consumer, self.partition, *limits)

    def begin(self, most: int = 10) -> Task:
        """Take the one execution there is."""
        [task] = self.take(most)
        return task

    def take(self, most: int = 10) -> list[Task]:
        return self.taken(most).tasks

    def taken(self, most: int = 10) -> Taken:
        return claim.take(self.link, self.owner, most)

    def take_when_rung(self, block_ms: int = 1000) -> list[Task]:
        link, owner = self.link, self.owner
        return claim.take_when_rung(
            link, owner, 10, block_ms, asleep=lambda: None, awake=lambda: None
        ).tasks

    def hears(self, block_ms: int = 1000) -> bool:
        """Tell whether the bell rings for it."""
        command = claim.bell_command(PARTITION, block_ms)
        return self.link.call(*command, block=block_ms / 1000) is not None

    def claim(self, most: int = 10, lease_ms: int = 0) -> list[Task]:
        return claim.claim(self.link, self.owner, lease_ms, most).tasks

    def adopt(self, predecessor: str, **how: Any) -> list[Task]:
        return claim.adopt(self.link, self.owner, predecessor, **how)[1].tasks

    def append(
        self, task: Task, *entries: bytes, at: int = 0, consumed: tuple[str, ...] = ()
    ) -> Appended:
        return journal.append(self.link, self.owner, task, entries, at, "7", consumed)

    def cancel(self, execution_id: str, ttl_ms: int = TTL_MS) -> str:
        limits = (ttl_ms, TTL_MS, RETENTION.result_limit)
        return control.cancel(self.link, self.partition, execution_id, *limits)

    def retry(self, execution_id: str) -> None:
        control.retry(self.link, self.partition, execution_id)

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
        return [
            bool(landed)
            for landed in self.landed(*tasks, decision=decision, retention=retention)
        ]

    def landed(
        self,
        *tasks: Task,
        decision: Decision = DONE,
        retention: Retention = RETENTION,
    ) -> list[Landed]:
        batch = [(task, decision) for task in tasks]
        return commit(self.link, self.owner, batch, retention)


class Database:
    """The database under test, and hands to work on it."""

    def __init__(self, server: Server, client: redis.Redis) -> None:
        self.server = server
        self.client = client
        self.partition = PARTITION
        self.hands: list[Hand] = []

    def hand(self, consumer: str = "a", **how: int) -> Hand:
        hand = Hand(self.server.url, consumer, **how)
        self.hands.append(hand)
        return hand

    def add(self, name: str = "go", **fields: Any) -> str:
        entry = self.client.xadd(PARTITION.events, {"name": name, **fields})
        return str(entry.decode())

    def open(self, hand: Hand, key: str = "k", **fields: Any) -> Task:
        """Start one execution of ``s``, and take it."""
        self.add("open", key=key, payload="{}", **fields)
        return hand.begin()

    def waiting(self, hand: Hand, *names: str, key: str = "k", **how: Any) -> str:
        """Start one of ``s`` that waits for ``step`` or these; return its id."""
        task = self.open(hand, key)
        decision = suspended(1, *(names or ("step",)), **how)
        assert hand.commit(task, decision=decision) == [True]
        return task.execution_id

    def signal(self, name: str, number: int, **fields: Any) -> str:
        """Send a signal told by its number."""
        return self.add(name, payload=f'{{"n":{number}}}', **fields)

    def record(self, execution_id: str) -> dict[str, str]:
        return Books(self.client, PARTITION).map(f"x:{execution_id}")

    def journal(self, execution_id: str) -> list[bytes]:
        found: list[bytes] = self.client.lrange(PARTITION.journal(execution_id), 0, -1)
        return found

    def wakes(self) -> list[str]:
        """Ids of the executions that have a wake in the stream."""
        entries = self.client.xrange(PARTITION.events)
        return [f[b"_wake"].decode() for _, f in entries if b"_wake" in f]

    def timers(self) -> dict[str, int]:
        rows = self.client.zrange(PARTITION.timers, 0, -1, withscores=True)
        return {name.decode(): int(due) for name, due in rows}

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
    """An empty database and the routes below.

    ``go`` starts the plain ``w``, ``both`` two plain ones, ``open`` starts ``s``, which
    takes signals, ``pair`` starts one of each; ``knock`` starts ``s`` and is a signal.
    """
    with any_server.client() as client:
        client.flushall()
        link = Link(any_server.url)
        boot.check(link, PARTITION)
        fleet.register(
            link,
            PARTITION,
            (
                Route("w", names=("go", "both", "pair")),
                Route("v", names=("both",), patterns=("^order%..*$",)),
                Route("s", ("open", "pair", "knock"), (), S_SIGNALS),
                Route("r", ("ring",), signals=("shout", "hush")),
            ),
        )
        link.close()
        database = Database(any_server, client)
        yield database
        for hand in database.hands:
            hand.link.close()


@pytest.fixture
def books(base: Database) -> Iterator[None]:
    """Audits the whole database after the test: see audit.py."""
    yield
    Books(base.client, PARTITION).check()
