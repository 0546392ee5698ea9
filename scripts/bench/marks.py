"""What every contender's module needs: marks, burnt time, and the producer's protocol.

Imported in the contenders' own environments, so nothing but the standard library. A
mark is one write to an append-only file that the harness reads: it costs the same few
microseconds everywhere, and tells what ran, when, how often, and in which process.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import time
from collections.abc import Callable

RECORD = struct.Struct("<qqq")
"""Number, nanoseconds of the monotonic clock, and kind << 32 | process id."""
DONE, BEGUN, ENDED, SENT = range(4)
"""Kinds of marks: slow work has the second and third, producers write the last."""

_file = os.open(
    os.environ.get("BENCH_MARKS", os.devnull),
    os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC,
    0o600,
)
ITERATIONS = int(os.environ.get("BENCH_ITERATIONS", "10000"))
"""What ``burn`` is asked for so that it takes 5 ms here."""


def mark(number: int, kind: int = DONE) -> None:
    """Tell the harness that this number got here, now, in this process."""
    now = time.monotonic_ns()
    os.write(_file, RECORD.pack(number, now, kind << 32 | os.getpid()))


def burn(iterations: int = ITERATIONS) -> bytes:
    """Compute, holding the interpreter's lock."""
    digest = b""
    for _ in range(iterations):
        digest = hashlib.blake2b(digest, digest_size=16).digest()
    return digest


def produce(
    publish: Callable[[str, int, int], None], send: Callable[[str, int], None]
) -> None:
    """Be the producer that the command line asks for.

    ``publish TASK FIRST COUNT`` or ``pace TASK FIRST COUNT RATE``; both say "ready"
    when they have connected, start at a line on their input, and say "done".

    Args:
        publish: enqueues many: task, first number, how many. Called with a count of 0
            before "ready", so that it can connect.
        send: enqueues one: task and number.
    """
    verb, task, first, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
    publish(task, first, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    if verb == "publish":
        publish(task, first, count)
    else:
        _pace(task, range(first, first + count), float(sys.argv[5]), send)
    print("done", flush=True)


def _pace(
    task: str, numbers: range, rate: float, send: Callable[[str, int], None]
) -> None:
    start = time.monotonic()
    for place, number in enumerate(numbers):
        time.sleep(max(start + place / rate - time.monotonic(), 0.0))
        mark(number, SENT)
        send(task, number)
