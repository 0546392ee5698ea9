"""Measures what an event costs, in figures that are the same on every machine.

``python -m tests.functional.costs.measure URL`` empties that server, and prints for
each course of events what one of them costs. ``limits`` keeps that, and compares.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable

import redis

from tests.functional.costs.stepped import NAMESPACE, Instructions, Stepped
from workflow_worker.client import Client

Costs = dict[str, float]
"""By kind, for one event."""

EVENTS = 500
EXECUTIONS = 100
SHORT, LONG = 10, 1000
"""Lengths of journals that are replayed."""


class Meter:
    """Tells what work makes a server and this thread do."""

    def __init__(self, db: redis.Redis) -> None:
        self._db = db

    def of(self, work: Callable[[], object], events: int) -> Costs:
        """Return what one of so many events costs."""
        # Looking has a cost of its own.
        looking, costs = self._of(lambda: None), self._of(work)
        return {kind: (cost - looking[kind]) / events for kind, cost in costs.items()}

    def _of(self, work: Callable[[], object]) -> Costs:
        before, counter = self._read(), Instructions()
        former = sys.gettrace()
        sys.settrace(counter.frame)
        work()
        sys.settrace(former)
        costs = {kind: now - before[kind] for kind, now in self._read().items()}
        return costs | {"instructions": counter.count}

    def _read(self) -> Costs:
        stats, log = self._db.info("stats"), self._db.info("persistence")
        commands = {
            name.removeprefix("cmdstat_"): each["calls"]
            for name, each in self._db.info("commandstats").items()
            if name not in ("cmdstat_info", "cmdstat_ping")
        }
        return {
            "commands": sum(commands.values()),
            "round trips": stats["total_reads_processed"],
            "bytes to the server": stats["total_net_input_bytes"],
            "bytes from it": stats["total_net_output_bytes"],
            "bytes logged": log["aof_current_size"] + log["aof_buffer_length"],
        }


def drained(db: redis.Redis, client: Client, url: str, batch_size: int) -> Costs:
    """Events that come to nothing, from a backlog."""
    worker = Stepped(url, batch_size)
    publish(client, "nothing", EVENTS)
    worker.until(EVENTS)
    publish(client, "nothing", EVENTS)
    return Meter(db).of(lambda: worker.until(EVENTS), EVENTS)


def five_actions(db: redis.Redis, client: Client, url: str) -> Costs:
    """Five journaled actions, one after the other."""
    worker = Stepped(url, 10)
    publish(client, "five", EXECUTIONS)
    worker.until(EXECUTIONS)
    publish(client, "five", EXECUTIONS)
    return Meter(db).of(lambda: worker.until(EXECUTIONS), EXECUTIONS)


def signalled(db: redis.Redis, client: Client, url: str) -> Costs:
    """A start, a wait, a signal, an end."""
    worker = Stepped(url, 10)

    def course(name: str) -> None:
        publish(client, "ask", EXECUTIONS, name, actions=0)
        worker.until(EXECUTIONS)
        publish(client, "answer", EXECUTIONS, name)
        worker.until(EXECUTIONS)

    course("first")
    return Meter(db).of(lambda: course("then"), EXECUTIONS)


def replayed(db: redis.Redis, client: Client, url: str) -> Costs:
    """One entry more in the journal of an execution that goes on."""
    worker, costs = Stepped(url, 10), []
    for name, length in (("first", SHORT), ("short", SHORT), ("long", LONG)):
        publish(client, "ask", 1, name, actions=length)
        worker.until(1)
        publish(client, "answer", 1, name)
        costs.append(Meter(db).of(lambda: worker.until(1), 1))
    _, few, many = costs
    return {kind: (many[kind] - few[kind]) / (LONG - SHORT) for kind in many}


def kept(client: Client, url: str) -> Costs:
    """Blocks of memory an event leaves behind in the worker."""
    worker, blocks = Stepped(url, 100), []
    for _ in range(3):
        publish(client, "nothing", 2 * EVENTS)
        worker.until(2 * EVENTS)
        gc.collect()
        blocks.append(sys.getallocatedblocks())
    return {"blocks kept": (blocks[2] - blocks[1]) / (2 * EVENTS)}


def published(db: redis.Redis, client: Client, at_once: int) -> Costs:
    """Producing, of one at a time or of many."""

    def course() -> None:
        for _ in range(EVENTS // at_once):
            publish(client, "nothing", at_once)

    course()
    return Meter(db).of(course, EVENTS)


def publish(
    client: Client, event: str, count: int, name: str = "", **payload: int
) -> None:
    client.publish_many(
        {"name": event, "key": f"{name}-{number:04}", "payload": payload}
        for number in range(count)
    )


def everything(url: str) -> dict[str, Costs]:
    """Return what each course of events costs."""
    found: dict[str, Costs] = {}
    with redis.Redis.from_url(url) as db, Client(url, namespace=NAMESPACE) as client:
        courses: dict[str, Callable[[], Costs]] = {
            "publishing one": lambda: published(db, client, 1),
            "publishing many": lambda: published(db, client, EVENTS),
            "no-op, defaults": lambda: drained(db, client, url, 10),
            "no-op, BATCH_SIZE=100": lambda: drained(db, client, url, 100),
            "five actions": lambda: five_actions(db, client, url),
            "wait and signal": lambda: signalled(db, client, url),
            "an entry replayed": lambda: replayed(db, client, url),
            "a no-op, afterwards": lambda: kept(client, url),
        }
        for name, course in courses.items():
            db.flushall()
            found[name] = course()
    return found


if __name__ == "__main__":
    json.dump(everything(sys.argv[1]), sys.stdout)
