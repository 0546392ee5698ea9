"""What the machine itself can do: a blocked read, and threads that sleep.

The floors that latency and blocking I/O are compared with in the same run.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import redis

from marks import mark, produce

STREAM, COUNT = "bare:stream", "bare:count"
THREADS = 5


def read(link: redis.Redis) -> None:
    """Mark each entry as soon as a blocked XREAD returns it."""
    last = b"0"
    while True:
        for _, entries in link.xread({STREAM: last}, block=1000) or ():
            for entry, fields in entries:
                mark(int(fields[b"number"]))
                last = entry


def sleep(link: redis.Redis, process: int, processes: int) -> None:
    """Sleep 10 ms for each number that falls to one of this process' threads."""
    while not (count := int(link.get(COUNT) or 0)):
        time.sleep(0.001)
    own = range(process * THREADS, process * THREADS + THREADS)
    lanes = [range(lane, count, processes * THREADS) for lane in own]
    threads = [threading.Thread(target=_sleep, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    threading.Event().wait()


def _sleep(numbers: range) -> None:
    for number in numbers:
        time.sleep(0.010)
        mark(number)


def main() -> None:
    """Be a worker, ``read`` or ``sleep PROCESS PROCESSES``, or a producer."""
    link = redis.Redis.from_url(os.environ["BENCH_URL"])
    if sys.argv[1] == "read":
        read(link)
    elif sys.argv[1] == "sleep":
        sleep(link, int(sys.argv[2]), int(sys.argv[3]))

    def publish(task: str, first: int, count: int) -> None:
        link.ping()
        if task == "io" and count:
            link.set(COUNT, count)
        elif count:
            for number in range(first, first + count):
                link.xadd(STREAM, {"number": number})

    def send(task: str, number: int) -> None:
        link.xadd(STREAM, {"number": number})

    produce(publish, send)


if __name__ == "__main__":
    main()
