"""Huey on a Redis list, without results and without priorities: its fastest storage."""

from __future__ import annotations

import os

from huey import RedisHuey

from marks import produce
from peers.work import BLOCKING

huey = RedisHuey("bench", url=os.environ["BENCH_URL"], results=False)
TASKS = {body.__name__: huey.task(name=body.__name__)(body) for body in BLOCKING}


def publish(task: str, first: int, count: int) -> None:
    """Huey has no call for many."""
    huey.storage.conn.ping()
    for number in range(first, first + count):
        TASKS[task](number)


def send(task: str, number: int) -> None:
    TASKS[task](number)


if __name__ == "__main__":
    produce(publish, send)
