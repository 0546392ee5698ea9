"""streaQ on uvloop; results are not kept and tasks not logged."""

from __future__ import annotations

import os

import uvloop
from streaq import Worker

from marks import produce
from peers.work import ON_LOOP

CHUNK = 500
"""Tasks in one call of ``enqueue_many``."""

worker = Worker(
    redis_url=os.environ["BENCH_URL"],
    concurrency=5,
    prefetch=int(os.environ.get("BENCH_PREFETCH", "5")),
    idle_timeout=float(os.environ.get("BENCH_IDLE", "60")),
    anyio_kwargs={"use_uvloop": True},
)
TASKS = {
    name: worker.task(name=name, silent=True, ttl=0)(body)
    for name, body in ON_LOOP.items()
}
loop = uvloop.new_event_loop()


async def _publish(task: str, first: int, count: int) -> None:
    end = first + count
    for start in range(first, end, CHUNK):
        numbers = range(start, min(start + CHUNK, end))
        await worker.enqueue_many([TASKS[task].enqueue(number) for number in numbers])


async def _send(task: str, number: int) -> None:
    await TASKS[task].enqueue(number)


def publish(task: str, first: int, count: int) -> None:
    if not count:
        loop.run_until_complete(worker.__aenter__())
    loop.run_until_complete(_publish(task, first, count))


def send(task: str, number: int) -> None:
    loop.run_until_complete(_send(task, number))


if __name__ == "__main__":
    produce(publish, send)
