"""What is struck: server, instances and proxies, under the names of a plan.

Owns the processes, from their start to their end, and that all is whole again when the
faults are over. Must never look at what the instances did: that is the checker's.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import psutil
import redis

from tests.chaos.campaign.disks import Disk
from tests.chaos.campaign.hosts import Hosts
from tests.chaos.campaign.operator import DOOMED
from tests.chaos.campaign.places import Places
from tests.chaos.campaign.plan import Instance, Plan
from tests.chaos.campaign.proxy import Proxy
from tests.servers import Server, wait_until
from tests.service import Service
from workflow_worker import Client

OPEN = ("running", "waiting", "retrying")
TO_END = 30
"""Seconds in which an instance must end when it is told to: thrice its grace."""


class Cluster:
    """One server and some instances; killed, with all their processes, at the end."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.server: Server
        self._places = Places(plan, folder)
        self._services: dict[str, Service] = {}
        self._proxies: dict[str, Proxy] = {}
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        self._ends.enter_context(self._places)
        self.server = self._places.server()
        try:
            self._ends.callback(self._end_server)
            self.server.start()
            for each in self.plan.instances:
                self._add(each)
            for service in self._services.values():
                service.launch()
            for service in self._services.values():
                service.until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self._ends.close()

    @property
    def instances(self) -> Sequence[str]:
        """Their names."""
        return list(self._services)

    def master(self, instance: str) -> int | None:
        """Its process, if it lives."""
        service = self._services[instance]
        return service.process.pid if service.process.poll() is None else None

    def workers(self, instance: str) -> list[int]:
        """Its worker processes, those that just start included."""
        return self._children(instance, "wfworker: worker")

    def monitor(self, instance: str) -> int | None:
        """Its HTTP process, if there is one."""
        return next(iter(self._children(instance, "wfworker: monitor")), None)

    def proxy(self, instance: str) -> Proxy:
        """What stands between an instance and the server."""
        return self._proxies[instance]

    @property
    def hosts(self) -> Hosts | None:
        """The hosts it is spread over, if it is."""
        return self._places.hosts

    def disk(self, whose: str) -> Disk | None:
        """The small disk of an instance's log, or of the ``server``, if it has one."""
        return self._places.disks.get(whose)

    def url(self, instance: str) -> str:
        """The server as an instance sees it."""
        proxy = self._proxies.get(instance)
        return proxy.url if proxy else self.server.url

    def client(self) -> redis.Redis:
        """A look at the server that no proxy is in the way of."""
        return self.server.client(socket_timeout=10)

    def revive(self, instance: str) -> None:
        """Start an instance whose master is gone."""
        service = self._services[instance]
        if service.process.poll() is not None:
            service.launch()
            wait_until(lambda: self.master(instance) is not None)
            service.remember()

    def resume(self) -> None:
        """Let every process go on that was stopped."""
        for service in self._services.values():
            for process in service.family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
        if self.server.process is not None:
            self.server.process.send_signal(signal.SIGCONT)

    def heal(self) -> None:
        """Make all whole again, whatever was struck."""
        self.resume()
        if self.server.process is None:
            self.server.start()
        for proxy in self._proxies.values():
            proxy.heal()
        for instance in self._services:
            self.revive(instance)

    def left(self) -> dict[str, int]:
        """What is still to be done; nothing at rest.

        Where the server forgot signals, who waits for them will wait for ever.
        """
        open_ = ("running", "retrying") if self.plan.shape.forgets else OPEN
        with self.client() as db, db.pipeline(transaction=True) as together:
            together.xlen("{wf:0}:events")
            together.zcard("{wf:0}:timers")
            for status in open_:
                together.zcard(f"{{wf:0}}:by-status:{status}")
            counts = together.execute()
        names = ("events in the stream", "timers", *open_)
        return {name: n for name, n in zip(names, counts, strict=True) if n}

    def until_quiet(self, timeout: float) -> dict[str, int]:
        """Wait until nothing is left to do; returns what is all the same."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            # Again: what was redriven in between is among the letters no more.
            quiet = not self.left() and not self._doomed() and not self.left()
            # What a killed worker leaves is its successor's, once that has begun.
            if quiet and self._settled():
                return {}
            time.sleep(0.1)
        return self.left() or {
            "letters to redrive": self._doomed(),
            "consumers": self._consumers(),
        }

    def _settled(self) -> bool:
        ready = [len(service.ready_pids()) for service in self._services.values()]
        started = [len(self.workers(name)) for name in self._services]
        # None: it has only just been launched again, and could not be told to end.
        return all(ready) and ready == started and self._consumers() <= sum(ready)

    def _consumers(self) -> int:
        with self.client() as db:
            return len(db.xinfo_consumers("{wf:0}:events", "workers"))

    def _doomed(self) -> int:
        with Client(self.server.url, "wf") as client:
            return client.count_dead_letters(workflow=DOOMED)

    def stop(self) -> dict[str, int]:
        """TERM all instances; returns their exit statuses, 124 of who does not end."""
        for service in self._services.values():
            service.remember()
            service.signal()
        return {name: _ended(service) for name, service in self._services.items()}

    def _children(self, instance: str, title: str) -> list[int]:
        service = self._services[instance]
        if service.process.poll() is not None:
            return []
        service.remember()
        found = []
        for process in service.family:
            with contextlib.suppress(psutil.NoSuchProcess):
                # A title fills the place of all arguments.
                titled = " ".join(process.cmdline()).startswith(title)
                if titled and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        return sorted(found)

    def _end_server(self) -> None:
        self.server.stop(signal.SIGKILL)

    def _add(self, each: Instance) -> None:
        if self.plan.shape.proxied:
            proxy = self._ends.enter_context(Proxy(self.server.port))
            self._proxies[each.name] = proxy
        service = self._places.service(
            self.server,
            each.name,
            self.url(each.name),
            WORKER_COUNT=str(each.workers),
            CAMPAIGN_FOLDER=str(self.folder),
            CAMPAIGN_INSTANCE=each.name,
            CAMPAIGN_VERSION=each.version,
            **self.plan.environment,
        )
        self._services[each.name] = service
        self._ends.callback(_end, service)


def _ended(service: Service) -> int:
    try:
        return service.process.wait(TO_END)
    except subprocess.TimeoutExpired:
        return 124


def _end(service: Service) -> None:
    if hasattr(service, "process"):
        service.__exit__()
