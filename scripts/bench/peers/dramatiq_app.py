"""Dramatiq with its Redis broker and the middleware it comes with."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from marks import produce
from peers.work import BLOCKING

broker = RedisBroker(
    url=os.environ["BENCH_URL"],
    heartbeat_timeout=int(os.environ.get("BENCH_HEARTBEAT_MS", "60000")),
    maintenance_chance=int(os.environ.get("BENCH_MAINTENANCE", "1000")),
)
dramatiq.set_broker(broker)
ACTORS = {body.__name__: dramatiq.actor(body) for body in BLOCKING}


def publish(task: str, first: int, count: int) -> None:
    """Dramatiq has no call for many."""
    broker.client.ping()
    for number in range(first, first + count):
        ACTORS[task].send(number)


def send(task: str, number: int) -> None:
    ACTORS[task].send(number)


if __name__ == "__main__":
    produce(publish, send)
