"""When the machine itself stood still: noted, so that no promise is blamed for it.

A disk that holds the server up, or a host that gives its cores to others, silences
workers like a fault that nobody ordered. The lookout asks the server again and again;
what it writes down is how long nobody got an answer, and nothing else.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import redis

from tests.chaos.campaign.history import Journal

PAUSE = 0.05
"""Seconds between two questions."""
LONG = 0.3
"""Seconds without an answer that are worth a line."""


class HasServer(Protocol):
    """A cluster, or a server alone."""

    def client(self) -> redis.Redis:
        """A look at the server that no proxy is in the way of."""


@contextmanager
def lookout(cluster: HasServer, folder: Path) -> Iterator[None]:
    """Look out for stalls in a thread, until the end of the block."""
    over = threading.Event()
    journal = Journal(folder, "faults-stalls", fault="stall")
    numbers = itertools.count()

    def look() -> None:
        with cluster.client() as server:
            last = time.monotonic()
            while not over.wait(PAUSE):
                with contextlib.suppress(redis.RedisError):
                    server.ping()
                    now = time.monotonic()
                    if now - last > LONG:
                        number = next(numbers)
                        journal.write(phase="strike", number=number, t=last)
                        journal.write(phase="heal", number=number, t=now)
                    last = now

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        journal.close()
