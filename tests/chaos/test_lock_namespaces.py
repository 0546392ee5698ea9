"""Two instances on hosts of their own count under one lock; one is paused past its ttl.

The hosts are network namespaces: the server's, and one for each instance, with a cable
to the server's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.guarded import Counter, Counting
from tests.servers import binaries, wait_until

TTL = 0.5
PAUSES = 3
NAMES = ("east", "west")


def can_make_hosts() -> bool:
    """CI must be able to: there it fails instead of being skipped."""
    usable = os.geteuid() == 0 and shutil.which("ip") is not None
    return usable or "CI" in os.environ


pytestmark = pytest.mark.skipif(
    not can_make_hosts(), reason="network namespaces need root and the command ip"
)


class Hosts:
    """A server's host, and one on the far end of each of its cables."""

    def __init__(self, folder: Path) -> None:
        self._made: list[str] = []
        self._mark = f"wf{os.getpid()}"
        self.socket = folder / "server.sock"
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Hosts:
        try:
            self._add("server")
            for number, name in enumerate(NAMES):
                self._add(name)
                self._lay_cable(name, number)
            self._start_server()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        for host in self._made:
            ip("netns", "del", host)

    def within(self, name: str) -> list[str]:
        """What a command begins with to run there."""
        return ["ip", "netns", "exec", f"{self._mark}-{name}"]

    def url(self, name: str) -> str:
        """The server, as it is seen from there."""
        return f"redis://10.213.{NAMES.index(name)}.1:6379/0"

    def client(self) -> redis.Redis:
        """A look at the server that crosses no network."""
        return redis.Redis(unix_socket_path=str(self.socket))

    def _add(self, name: str) -> None:
        host = f"{self._mark}-{name}"
        ip("netns", "add", host)
        self._made.append(host)
        ip("-n", host, "link", "set", "lo", "up")

    def _lay_cable(self, name: str, number: int) -> None:
        here, there = f"{self._mark}-server", f"{self._mark}-{name}"
        peer = ("peer", "name", "eth0", "netns", there)
        ip("-n", here, "link", "add", name, "type", "veth", *peer)
        for host, end, last in ((here, name, 1), (there, "eth0", 2)):
            ip("-n", host, "addr", "add", f"10.213.{number}.{last}/24", "dev", end)
            ip("-n", host, "link", "set", end, "up")

    def _start_server(self) -> None:
        self.process = subprocess.Popen(
            [
                *self.within("server"),
                *(str(binaries()["valkey-9"]), "--port", "6379"),
                *("--bind", "10.213.0.1", "10.213.1.1"),
                *("--protected-mode", "no", "--unixsocket", str(self.socket)),
                *("--dir", str(self.folder), "--save", "", "--loglevel", "warning"),
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers, what="server answers")

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    # A socket's path must be short.
    with (
        tempfile.TemporaryDirectory(prefix="wf") as folder,
        Hosts(Path(folder)) as made,
    ):
        yield made


@pytest.fixture
def network(hosts: Hosts) -> Iterator[redis.Redis]:
    """The database, empty."""
    with hosts.client() as client:
        client.flushall()
        yield client


def count_with_pauses(hosts: Hosts, counter: Counter) -> list[Counting]:
    """Have both count, and one of them stand still inside for longer than the ttl."""
    east, west = (
        Counting(counter, hosts.url(name), name, TTL, hosts.within(name))
        for name in NAMES
    )
    both = [east, west]
    try:
        for each in both:
            wait_until(lambda each=each: each.told("accepted") > 2)
        for pauses in range(1, PAUSES + 1):
            east.stop_inside()
            before = west.told("accepted")
            wait_until(lambda before=before: west.told("accepted") > before + 2)
            east.go_on()
            wait_until(lambda pauses=pauses: east.told("lost") >= pauses)
    finally:
        counter.db.set("stop", 1)
        for each in both:
            each.end()
    return both


def test_the_protected_counter_is_right(hosts: Hosts, network: redis.Redis) -> None:
    counter = Counter(network)
    east, west = count_with_pauses(hosts, counter)
    assert east.told("refused") >= PAUSES
    assert counter.value == east.told("accepted") + west.told("accepted")
    accepted = counter.accepted()
    assert accepted == sorted(set(accepted))
    assert len(accepted) == counter.value


def test_a_counter_that_compares_no_tokens_is_wrong(
    hosts: Hosts, network: redis.Redis
) -> None:
    counter = Counter(network, guarded=False)
    east, west = count_with_pauses(hosts, counter)
    assert counter.value < east.told("accepted") + west.told("accepted")
    assert counter.accepted() != sorted(counter.accepted())
