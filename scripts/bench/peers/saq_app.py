"""SAQ on Redis, results not kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from saq import Queue

from marks import produce
from peers.work import ON_LOOP

AT_ONCE = 20
"""Jobs enqueued at once: as many operations as its queue lets run."""

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def _with_context(body: Callable[[int], Awaitable[None]]) -> Callable[..., Any]:
    async def handler(context: dict[str, Any], *, number: int) -> None:
        await body(number)

    return handler


queue = Queue.from_url(os.environ["BENCH_URL"], name="bench")
settings = {
    "queue": queue,
    "functions": [(name, _with_context(body)) for name, body in ON_LOOP.items()],
    "concurrency": 5,
}
loop = asyncio.new_event_loop()


async def _publish(task: str, first: int, count: int) -> None:
    end = first + count
    for start in range(first, end, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, end))
        await asyncio.gather(
            *(queue.enqueue(task, number=number, ttl=-1) for number in numbers)
        )


def publish(task: str, first: int, count: int) -> None:
    if not count:
        loop.run_until_complete(queue.connect())
    loop.run_until_complete(_publish(task, first, count))


def send(task: str, number: int) -> None:
    loop.run_until_complete(queue.enqueue(task, number=number, ttl=-1))


if __name__ == "__main__":
    produce(publish, send)
