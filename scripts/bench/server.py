"""The server that all contenders use in turn: one process, emptied between them.

Owns its life and what it counts. Append-only file, synced every second.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from tracks import MeasurementError, until
from workflow_worker.embedded import find_server, follow

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Counted:
    """What the server has done until now.

    Attributes:
        cpu: seconds of processor time, user and system.
        reads: of its sockets: one for each round trip, however many commands it has.
        commands: run, those that scripts call included.
        busy: seconds spent on each command by its name; a script's include those of
            the commands that it calls.
    """

    cpu: float
    reads: int
    commands: int
    busy: Mapping[str, float]


class Server:
    """A server on loopback, with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.link = redis.Redis(port=self.port, socket_timeout=PATIENCE)

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            MeasurementError: it does not.
        """
        self._process = subprocess.Popen(
            [
                str(find_server()),
                *("--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self._folder), "--save", ""),
                *("--appendonly", "yes", "--appendfsync", "everysec"),
                *("--loglevel", "warning", "--maxmemory-policy", "noeviction"),
            ],
            stdout=subprocess.DEVNULL,
            preexec_fn=follow(os.getpid(), signal.SIGKILL),  # noqa: PLW1509 - one thread
        )
        if not until(self._answers, PATIENCE):
            self._process.kill()
            raise MeasurementError(f"the server did not start on port {self.port}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill it: nobody needs its data."""
        self.link.close()
        self._process.kill()
        self._process.wait(PATIENCE)

    def _answers(self) -> bool:
        try:
            return bool(self.link.ping())
        except redis.RedisError:
            return False

    def version(self) -> str:
        """Return its name and version."""
        info = self.link.info("server")
        name = info.get("server_name", "redis")
        return f"{name} {info.get(f'{name}_version', info['redis_version'])}"

    def empty(self) -> None:
        """Forget everything, the append-only file too.

        Raises:
            MeasurementError: its file is rewritten for longer than anybody waits.
        """
        self.link.flushall()
        self.link.script_flush()
        # Else it would rewrite the file when it has grown, in the middle of a drain.
        if until(self._starts_rewriting, PATIENCE) and until(self._rewritten, PATIENCE):
            return
        raise MeasurementError("the server does not get its append-only file rewritten")

    def _starts_rewriting(self) -> bool:
        try:
            self.link.bgrewriteaof()
        except redis.ResponseError:  # one is under way already
            time.sleep(0.1)
            return False
        return True

    def _rewritten(self) -> bool:
        info = self.link.info("persistence")
        under_way = info["aof_rewrite_in_progress"], info["aof_rewrite_scheduled"]
        return not any(under_way)

    def counted(self) -> Counted:
        """Return what it has counted."""
        cpu, stats = self.link.info("cpu"), self.link.info("stats")
        commands = self.link.info("commandstats")
        return Counted(
            cpu["used_cpu_user"] + cpu["used_cpu_sys"],
            stats["total_reads_processed"],
            sum(each["calls"] for each in commands.values()),
            {
                name.removeprefix("cmdstat_"): each["usec"] / 1e6
                for name, each in commands.items()
            },
        )
