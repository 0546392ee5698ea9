"""taskiq with taskiq-redis' stream broker, the one that acknowledges."""

from __future__ import annotations

import asyncio
import os

from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisStreamBroker

from marks import produce
from peers.work import ON_LOOP

AT_ONCE = 40
"""Tasks kicked at once: fewer than its pool has connections."""

broker = RedisStreamBroker(
    os.environ["BENCH_URL"],
    consumer_id="0",
    unacknowledged_lock_timeout=5.0,
    xread_count=int(os.environ.get("BENCH_READ", "100")),
).with_serializer(ORJSONSerializer())
TASKS = {name: broker.register_task(body, name) for name, body in ON_LOOP.items()}
loop = asyncio.new_event_loop()


async def _publish(task: str, first: int, count: int) -> None:
    end = first + count
    for start in range(first, end, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, end))
        await asyncio.gather(*(TASKS[task].kiq(number) for number in numbers))


def publish(task: str, first: int, count: int) -> None:
    if not count:
        loop.run_until_complete(broker.startup())
    loop.run_until_complete(_publish(task, first, count))


def send(task: str, number: int) -> None:
    loop.run_until_complete(TASKS[task].kiq(number))


if __name__ == "__main__":
    produce(publish, send)
