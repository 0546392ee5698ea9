"""What every contender's module needs: marks, burnt time, and the producer's protocol.

Imported in the contenders' own environments, so nothing but the standard library. A
mark is a record in a file of this process' own that is mapped into memory and read by
the harness: what ran, when, how often, in which process. It makes no system call, so no
thread gives up the interpreter's lock for being measured.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import struct
import sys
import threading
import time
from collections.abc import Callable

RECORD = struct.Struct("<qqq")
"""Number, kind << 32 | process id, and nanoseconds of the monotonic clock.

The time is written last, and is 0 where nothing is yet.
"""
DONE, BEGUN, ENDED, SENT = range(4)
"""Kinds of marks: slow work has the second and third, producers write the last."""
MOST = 4_000_000
"""Marks one process can make."""
ITERATIONS = int(os.environ.get("BENCH_ITERATIONS", "10000"))
"""What ``burn`` is asked for so that it takes 5 ms here."""
_WINDOW = 1 << 16
"""Bytes after which what is written no longer counts as this process' memory."""


class _Pages:
    """The marks of one process."""

    def __init__(self, path: str | None) -> None:
        self.pid = os.getpid()
        self.places = itertools.count(0, RECORD.size)
        self._done_with = 0
        if not path:
            self.memory = mmap.mmap(-1, MOST * RECORD.size)
            return
        file = os.open(f"{path}.{os.getpid()}", os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(file, MOST * RECORD.size)
        self.memory = mmap.mmap(file, MOST * RECORD.size)
        os.close(file)

    def let_go(self, place: int) -> None:
        """Keep what is written, and its pages out of this process' memory."""
        until = place // _WINDOW * _WINDOW
        if until > self._done_with:
            self.memory.madvise(
                mmap.MADV_DONTNEED, self._done_with, until - self._done_with
            )
            self._done_with = until


_pages: _Pages | None = None
_opening = threading.Lock()


def _forget() -> None:
    global _pages, _opening
    _pages, _opening = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def _open() -> _Pages:
    global _pages  # noqa: PLW0603 - opened where the first mark is made
    with _opening:
        if _pages is None:
            _pages = _Pages(os.environ.get("BENCH_MARKS"))
        return _pages


def mark(number: int, kind: int = DONE) -> None:
    """Tell the harness that this number got here, now, in this process."""
    pages = _pages or _open()
    place = next(pages.places)
    RECORD.pack_into(
        pages.memory,
        place,
        number,
        kind << 32 | pages.pid,
        time.monotonic_ns(),
    )
    if not place % _WINDOW:
        pages.let_go(place)


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
