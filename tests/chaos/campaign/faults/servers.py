"""Faults of the server's process: killed, stopped, started again, its last writes lost.

Never leaves a server down: the heal starts it, on the same port and data.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.chaos.campaign.faults.striking import Healing, Strike, Table, into
from tests.servers import Server

FAULTS: Table = {}
LONGEST_TAIL = 1.0
"""Seconds of writes a server may lose that syncs its file every second."""

POSTPONED = 2.0
"""Seconds a server that doesn't sync at once may answer before it writes."""
SHORTEST_PAUSE = 60
"""Microseconds that the shortest sleep takes."""


@into(FAULTS, "kill-server")
def kill_server(strike: Strike) -> Healing | None:
    """SIGKILL: what it had not written to its file is lost."""
    server = strike.cluster.server
    if server.process is None:
        return None
    strike.tell(since=forgets_since(server))
    server.stop(signal.SIGKILL)
    return strike.lasting(0.2, 2.5, server.start)


@into(FAULTS, "restart-server")
def restart_server(strike: Strike) -> Healing | None:
    """TERM and a new start, as for an update."""
    server = strike.cluster.server
    if server.process is None:
        return None
    strike.tell()
    server.stop(signal.SIGTERM)
    return strike.lasting(0.2, 1.5, server.start)


@into(FAULTS, "stop-server")
def stop_server(strike: Strike) -> Healing | None:
    """It keeps every link, answers nobody, and goes on."""
    process = strike.cluster.server.process
    if process is None:
        return None
    strike.tell()
    process.send_signal(signal.SIGSTOP)
    return strike.lasting(0.2, 4.0, lambda: process.send_signal(signal.SIGCONT))


@into(FAULTS, "lose-tail")
def lose_tail(strike: Strike) -> Healing | None:
    """The power fails: up to a second of writes never reached the disk."""
    server = strike.cluster.server
    if server.process is None:
        return None
    file = tail_of(server)
    seen, length = time.monotonic(), file.stat().st_size
    # Not a wait for something: the time whose writes are lost.
    time.sleep(strike.chance.uniform(0.05, LONGEST_TAIL))
    strike.tell(since=seen, kept=length)
    server.stop(signal.SIGKILL)
    if tail_of(server) == file:
        os.truncate(file, min(length, file.stat().st_size))
    return strike.lasting(0.2, 1.5, server.start)


@into(FAULTS, "slow-load")
def slow_load(strike: Strike) -> Healing | None:
    """After a restart it reads its data slowly, and says LOADING meanwhile."""
    server = strike.cluster.server
    if server.process is None:
        return None
    seconds = strike.chance.uniform(0.5, 2.0)
    strike.tell(seconds=round(seconds, 3))
    server.stop(signal.SIGTERM)

    def load() -> None:
        usual = server.options
        server.options = (*usual, *slowly(server, seconds))
        server.start()
        server.options = usual
        with server.client() as client:
            client.config_set("key-load-delay", 0)

    return strike.lasting(0.1, 0.3, load)


def slowly(server: Server, seconds: float) -> list[str]:
    """Options with which reading its file takes so much longer."""
    entries = 1 + tail_of(server).read_bytes().count(b"\n*")
    pause = int(seconds * 1e6 / entries - SHORTEST_PAUSE)
    # Below zero: a shortest pause at one of so many.
    few = -max(1, int(entries * SHORTEST_PAUSE / (seconds * 1e6)))
    return ["--key-load-delay", str(pause if pause > 0 else few)]


def forgets_since(server: Server) -> float | None:
    """From when on a killed server may forget; None if it syncs before it answers.

    Any other puts a write off while an earlier sync is under way, and answers.
    """
    with server.client() as client:
        policy = client.config_get("appendfsync")["appendfsync"]
    return None if policy == "always" else time.monotonic() - POSTPONED


def tail_of(server: Server) -> Path:
    """The append-only file that is written to now, of old servers and new ones."""
    files = [*server.folder.rglob("*.incr.aof"), *server.folder.glob("*.aof")]
    return max(files, key=lambda file: (file.stat().st_mtime_ns, file.name))
