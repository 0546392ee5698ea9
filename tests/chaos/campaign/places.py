"""Where server and instances of a plan run: by which clock, on which host and disk.

Owns hosts and disks, from before the first process to after the last. Must never start
a process of the product's or of the server's: that is the cluster's.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.chaos.campaign.disks import Disk
from tests.chaos.campaign.faults.clocks import off_by
from tests.chaos.campaign.hosts import HostedServer, HostedService, Hosts
from tests.chaos.campaign.plan import Plan
from tests.servers import Server, binaries
from tests.service import Service

APP = "tests.apps.campaign:app"
SERVER = "server"
SERVERS_DISK, LOGS_DISK = 1 << 29, 1 << 24
"""Bytes; memory, as far as it is used."""


class Places:
    """What a plan asks for; on loopback and by the right clock, if for nothing."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.disks: dict[str, Disk] = {}
        names = [each.name for each in plan.instances]
        self.hosts = Hosts(*names) if plan.shape.hosts else None
        self._plan = plan
        self._folder = folder
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        try:
            if self.hosts:
                self._ends.enter_context(self.hosts)
            for whose in (SERVER, *(each.name for each in self._plan.instances)):
                (self._folder / whose).mkdir()
                if self._plan.shape.disks:
                    self._mount(whose)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def server(self) -> Server:
        """The server, not started yet."""
        options = self._plan.shape.server
        if self.hosts:
            return HostedServer(self.hosts, self._folder / SERVER, *options)
        binary = binaries()[self._plan.server]
        return Server(binary, self._root(SERVER), *options, **self._clock(SERVER))

    def service(self, server: Server, name: str, url: str, **env: str) -> Service:
        """An instance, not started yet.

        Args:
            server: which it works with.
            name: its own.
            url: where it finds the server on loopback.
            env: its settings.
        """
        env |= self._clock(name)
        if isinstance(server, HostedServer):
            return HostedService(server, name, self._folder / name, APP, **env)
        service = Service(url, self._folder / name, APP, **env)
        service.log_path = self._root(name) / service.log_path.name
        return service

    def _root(self, whose: str) -> Path:
        disk = self.disks.get(whose)
        return disk.path if disk else self._folder / whose

    def _clock(self, whose: str) -> dict[str, str]:
        wrong = self._plan.shape.clock == whose
        return off_by(self._plan.hours) if wrong else {}

    def _mount(self, whose: str) -> None:
        folder = self._folder / whose
        size = SERVERS_DISK if whose == SERVER else LOGS_DISK
        self.disks[whose] = self._ends.enter_context(Disk(folder, size))
        self._ends.callback(self._keep_logs, whose)

    def _keep_logs(self, whose: str) -> None:
        # What is on the disk goes with it.
        for log in self.disks[whose].path.glob("*.log"):
            shutil.copy(log, self._folder / whose / log.name)
