"""Hosts of our own: network namespaces with cables to the server's.

Owns their names, which carry this process' number, and their end. Touches no network
but the one it makes, and never the machine's own.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.servers import Server, binaries
from tests.service import Service

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
SERVER = "server"


def can_make_hosts() -> bool:
    """CI must be able to: there it fails instead of being skipped."""
    usable = os.geteuid() == 0 and shutil.which("ip") is not None
    return usable or "CI" in os.environ


class Hosts:
    """The server's host, and one on the far end of each of its cables."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._made: list[str] = []
        self._mark = f"wf{os.getpid()}"

    def __enter__(self) -> Self:
        try:
            self._add(SERVER)
            for number, name in enumerate(self._names):
                self._add(name)
                self._lay_cable(name, number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        while self._made:
            ip("netns", "del", self._made.pop())

    def within(self, name: str) -> list[str]:
        """What a command begins with to run there."""
        return ["ip", "netns", "exec", self._host(name)]

    def inside(self, name: str, what: Callable[[], T]) -> T:
        """Call it there: sockets it makes belong to that host."""
        found: list[T] = []
        failed: list[BaseException] = []

        def call() -> None:
            try:
                move_to(Path("/run/netns") / self._host(name))
                found.append(what())
            except BaseException as error:  # noqa: BLE001 - raised by the caller
                failed.append(error)

        # The move is a thread's, and for good.
        thread = threading.Thread(target=call, name=f"on {name}")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return found[0]

    @property
    def addresses(self) -> list[str]:
        """Those of the server, one for each cable."""
        return [self.address(name) for name in self._names]

    def address(self, name: str) -> str:
        """The server's, as it is seen from there."""
        return f"10.213.{self._names.index(name)}.1"

    def unplug(self, name: str) -> None:
        """Nothing passes the cable any more, and nobody is told."""
        ip("-n", self._host(SERVER), "link", "set", f"to-{name}", "down")

    def plug(self, name: str) -> None:
        ip("-n", self._host(SERVER), "link", "set", f"to-{name}", "up")

    def deafen(self, name: str) -> None:
        """The server hears it, but its answers don't arrive."""
        ip("-n", self._host(SERVER), "route", "add", *self._black_hole(name))

    def undeafen(self, name: str) -> None:
        ip("-n", self._host(SERVER), "route", "del", *self._black_hole(name))

    def _black_hole(self, name: str) -> tuple[str, str]:
        return "blackhole", f"10.213.{self._names.index(name)}.2/32"

    def _host(self, name: str) -> str:
        return f"{self._mark}-{name}"

    def _add(self, name: str) -> None:
        host = self._host(name)
        ip("netns", "add", host)
        self._made.append(host)
        ip("-n", host, "link", "set", "lo", "up")

    def _lay_cable(self, name: str, number: int) -> None:
        here, there, near = self._host(SERVER), self._host(name), f"to-{name}"
        peer = ("peer", "name", "eth0", "netns", there)
        ip("-n", here, "link", "add", near, "type", "veth", *peer)
        for host, end, last in ((here, near, 1), (there, "eth0", 2)):
            ip("-n", host, "addr", "add", f"10.213.{number}.{last}/24", "dev", end)
            ip("-n", host, "link", "set", end, "up")


class HostedServer(Server):
    """A server on its host: seen from the others, and by its socket from outside.

    The folder's path must be short, as a socket's must.
    """

    def __init__(self, hosts: Hosts, folder: Path, *options: str) -> None:
        self._socket = folder / "server.sock"
        super().__init__(
            binaries()["valkey-9"],
            folder,
            *("--protected-mode", "no", "--unixsocket", str(self._socket)),
            *options,
        )
        self.within = hosts.within(SERVER)
        self.bind = hosts.addresses
        self.hosts = hosts
        self.url = f"unix://{self._socket}"

    def url_from(self, name: str) -> str:
        """The server, as it is seen from there."""
        return f"redis://{self.hosts.address(name)}:{self.port}/0"


class HostedService(Service):
    """An instance on its host; asked from there, too."""

    def __init__(
        self, server: HostedServer, name: str, folder: Path, app: str, **env: str
    ) -> None:
        super().__init__(server.url_from(name), folder, app, **env)
        self._name = name
        self._hosts = server.hosts
        self.within = server.hosts.within(name)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        asked = super().get
        return self._hosts.inside(self._name, lambda: asked(path))


def move_to(host: Path) -> None:
    """Move this thread to another host.

    Raises:
        OSError: it is not there, or this process may not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with host.open("rb") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"can't move to {host}")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
