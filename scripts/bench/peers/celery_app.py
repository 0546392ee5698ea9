"""Celery, as its guide to optimizing advises for many short tasks.

BENCH_LATE=1 is the second set-up: acknowledged late, and given back when a worker dies.
"""

from __future__ import annotations

import os

from celery import Celery

from marks import produce
from peers.work import BLOCKING

LATE = os.environ.get("BENCH_LATE") == "1"

app = Celery("bench", broker=os.environ["BENCH_URL"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "128")),
    task_acks_late=LATE,
    task_reject_on_worker_lost=LATE,
    broker_connection_retry_on_startup=True,
)
TASKS = {body.__name__: app.task(name=body.__name__)(body) for body in BLOCKING}


def publish(task: str, first: int, count: int) -> None:
    """Celery has no call for many: one producer and its connection for all of them."""
    with app.producer_pool.acquire(block=True) as producer:
        producer.connection.ensure_connection()
        for number in range(first, first + count):
            TASKS[task].apply_async((number,), producer=producer)


def send(task: str, number: int) -> None:
    TASKS[task].delay(number)


if __name__ == "__main__":
    produce(publish, send)
