"""How much memory ``wfworker start --preload`` saves: proportional set sizes, measured.

Owns a server and a service of its own, on loopback, and prints a table in RST. The App
is ``examples/orders.py`` with SQLAlchemy imported beside it, as many have it::

    python scripts/preload_pss.py [WORKERS]

A page that several processes share counts for each of them by its part (PSS), so the
sum over all processes is what the service takes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from workflow_worker import Client
from workflow_worker.embedded import EmbeddedServer

WORKERS, EVENTS = 8, 2_000
EXAMPLES = Path(__file__).parent.parent / "examples"
HEAVY = (
    "import sqlalchemy.dialects.postgresql, sqlalchemy.orm\nfrom orders import app\n"
)
ORDER = {"order_id": "o-1", "cents": 100, "card": "visa", "items": ["tea"]}
MIB = 2**20
PATIENCE = 120.0


def measure(workers: int, *flags: str) -> tuple[float, float]:
    """Return the MiB that a service takes: idle, and after all events."""
    with EmbeddedServer() as server, _service(server.url, workers, *flags) as master:
        idle = _proportional(master)
        with Client(server.url) as client:
            client.publish_many(
                {"name": "order.placed", "key": str(number), "payload": ORDER}
                for number in range(EVENTS)
            )
            _until(lambda: client.stats().get("executions_completed", 0) >= EVENTS)
        return idle, _proportional(master)


@contextmanager
def _service(url: str, workers: int, *flags: str) -> Iterator[psutil.Process]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "heavy.py").write_text(HEAVY)
        process = subprocess.Popen(
            [sys.executable, "-m", "workflow_worker", "start", *flags],
            cwd=folder,
            env=os.environ
            | {
                "REDIS_URL": url,
                "WORKFLOW_APP": "heavy:app",
                "WORKER_COUNT": str(workers),
                "HTTP_PORT": str(port),
                "LOG_LEVEL": "warning",
                "PYTHONPATH": os.pathsep.join((str(EXAMPLES), *sys.path)),
            },
        )
        try:
            _until(lambda: _healthy(port) == workers)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def _healthy(port: int) -> int:
    try:
        address = f"http://127.0.0.1:{port}/api/health/worker"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return int(json.load(answer)["healthyWorkers"])
    except OSError:
        return 0


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not within {PATIENCE:.0f} s")
        time.sleep(0.1)


def _proportional(master: psutil.Process) -> float:
    family = [master, *master.children(recursive=True)]
    return sum(process.memory_full_info().pss for process in family) / MIB


def main() -> None:
    """Measure both ways and print the table."""
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else WORKERS
    plain, shared = measure(workers), measure(workers, "--preload")
    after = f"after {EVENTS:,} events"
    edge = f"{'=' * 20}  {'=' * 12}  {'=' * 12}  {'=' * 8}"
    print(edge)
    print(
        f"{f'{workers} workers':20}  {'without':>12}  {'--preload':>12}  {'saved':>8}"
    )
    print(edge)
    for name, mine, theirs in zip(("idle", after), plain, shared, strict=True):
        saved = f"{1 - theirs / mine:.0%}"
        print(f"{name:20}  {mine:8.1f} MiB  {theirs:8.1f} MiB  {saved:>8}")
    print(edge)


if __name__ == "__main__":
    main()
