"""The tasks every task queue is given, once blocking and once for event loops.

Owns what they do, so that no contender does more or less than another. Must import
nothing but ``marks``: it runs in every contender's environment.
"""

from __future__ import annotations

import asyncio
import time

from marks import BEGUN, ENDED, burn, mark

WAIT = 0.010
"""Seconds of input and output in ``io``."""
LONG = 0.2
"""Seconds in ``slow``: long enough to be killed in."""


def noop(number: int) -> None:
    mark(number)


def io(number: int) -> None:
    time.sleep(WAIT)
    mark(number)


def cpu(number: int) -> None:
    burn()
    mark(number)


def latency(number: int) -> None:
    mark(number)


def slow(number: int) -> None:
    mark(number, BEGUN)
    time.sleep(LONG)
    mark(number, ENDED)


BLOCKING = (noop, io, cpu, latency, slow)


async def loop_noop(number: int) -> None:
    mark(number)


async def loop_io(number: int) -> None:
    await asyncio.sleep(WAIT)
    mark(number)


async def loop_cpu(number: int) -> None:
    burn()
    mark(number)


async def loop_latency(number: int) -> None:
    mark(number)


async def loop_slow(number: int) -> None:
    mark(number, BEGUN)
    await asyncio.sleep(LONG)
    mark(number, ENDED)


ON_LOOP = {
    "noop": loop_noop,
    "io": loop_io,
    "cpu": loop_cpu,
    "latency": loop_latency,
    "slow": loop_slow,
}
