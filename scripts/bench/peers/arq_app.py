"""arq, its results not kept and its poll as short as its throughput needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from arq import func
from arq.connections import ArqRedis, RedisSettings, create_pool

from marks import produce
from peers.work import ON_LOOP

AT_ONCE = 40
"""Jobs enqueued at once, each in a transaction of its own: arq has no call for many."""
SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_URL"])
LOGGING = {"version": 1, "disable_existing_loggers": True}

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def _with_context(body: Callable[[int], Awaitable[None]]) -> Callable[..., Any]:
    async def handler(context: dict[str, Any], number: int) -> None:
        await body(number)

    return handler


class Worker:
    """What ``arq`` is told to run."""

    functions = tuple(
        func(_with_context(body), name=name, keep_result=0)
        for name, body in ON_LOOP.items()
    )
    redis_settings = SETTINGS
    max_jobs = 5
    poll_delay = float(os.environ.get("BENCH_POLL", "0.005"))
    log_results = False


loop = asyncio.new_event_loop()
pools: list[ArqRedis] = []


async def _publish(task: str, first: int, count: int) -> None:
    if not pools:
        pools.append(await create_pool(SETTINGS))
    end = first + count
    for start in range(first, end, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, end))
        await asyncio.gather(*(pools[0].enqueue_job(task, each) for each in numbers))


def publish(task: str, first: int, count: int) -> None:
    loop.run_until_complete(_publish(task, first, count))


def send(task: str, number: int) -> None:
    loop.run_until_complete(pools[0].enqueue_job(task, number))


if __name__ == "__main__":
    produce(publish, send)
