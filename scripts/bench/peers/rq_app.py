"""RQ: results are not kept, and jobs are pushed with its call for many."""

from __future__ import annotations

import os

from redis import Redis
from rq import Queue

from marks import produce
from peers.work import BLOCKING

CHUNK = 500
"""Jobs in one pipeline."""

queue = Queue(connection=Redis.from_url(os.environ["BENCH_URL"]))
TASKS = {body.__name__: body for body in BLOCKING}


def publish(task: str, first: int, count: int) -> None:
    queue.connection.ping()
    body = TASKS[task]
    for start in range(first, first + count, CHUNK):
        numbers = range(start, min(start + CHUNK, first + count))
        queue.enqueue_many(
            [Queue.prepare_data(body, (number,), result_ttl=0) for number in numbers]
        )


def send(task: str, number: int) -> None:
    queue.enqueue_call(TASKS[task], (number,), result_ttl=0)


if __name__ == "__main__":
    produce(publish, send)
