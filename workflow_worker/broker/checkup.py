"""What ``wfworker doctor`` reads of the server: its speed, its state, its settings.

Only reads, and little at a time: it is called where something is wrong already. Must
never judge what it finds.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

from redis.exceptions import NoPermissionError, ResponseError

from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.keys import BELL, WORKERS, Partition
from workflow_worker.broker.packed import pairs
from workflow_worker.clock import monotonic, wall_ms
from workflow_worker.errors import WorkflowWorkerError

PINGS = 20
SLOW_ENTRIES = 128
"""Most lines of the slow log that are read."""


class Unreadable(WorkflowWorkerError):  # noqa: N818 - the server's word, not our fault
    """The server does not tell: not permitted, renamed, or unknown to its version."""


def ask(link: Link, *command: str | bytes | int) -> Reply:
    """Send one command that only reads.

    Raises:
        Unreadable: the server refuses this command.
        Unavailable: it can't be reached or can't serve.
    """
    return ask_all(link, [command])[0]


def ask_all(
    link: Link, commands: Iterable[tuple[str | bytes | int, ...]]
) -> list[Reply]:
    """Send commands that only read in one round trip; errors as for :func:`ask`."""
    sent = list(commands)
    replies = link.calls(sent) if sent else []
    return [answer(c[0], reply) for c, reply in zip(sent, replies, strict=True)]


def answer(name: object, reply: Reply) -> Reply:
    """Return what was answered; raises Unreadable if the command was refused."""
    if not isinstance(reply, Exception):
        return reply
    # Which a worker waits out: somebody may be about to grant it.
    forbidden = isinstance(reply.__cause__, NoPermissionError)
    if forbidden or isinstance(reply, ResponseError):
        why = "is not permitted" if forbidden else f"is refused ({reply})"
        raise Unreadable(f"{name} {why}") from reply
    raise reply


@dataclass(frozen=True, slots=True)
class Pings:
    """How fast the server answers; milliseconds."""

    count: int
    median_ms: float
    slowest_ms: float


def pings(link: Link) -> Pings:
    """Measure some round trips, without that of connecting."""
    ask(link, "PING")
    took = []
    for _ in range(PINGS):
        begun = monotonic()
        ask(link, "PING")
        took.append((monotonic() - begun) * 1000)
    return Pings(PINGS, median(took), max(took))


def info(link: Link) -> dict[str, str]:
    """Return what the server says of itself."""
    text: bytes = ask(link, "INFO")
    lines = text.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def config(link: Link, *names: str) -> dict[str, str]:
    """Return settings of the server; those that it does not know are missing."""
    found: dict[str, str] = {}
    for reply in ask_all(link, [("CONFIG", "GET", name) for name in names]):
        found |= {
            name: value.decode("utf-8", "replace")
            for name, value in pairs(reply).items()
        }
    return found


@dataclass(frozen=True, slots=True)
class Clock:
    """The server's clock beside this host's.

    Attributes:
        server_ms: since the epoch.
        host_ms: likewise, at about that moment.
        at: monotonic seconds of that moment.
        unsure_ms: how much later or earlier it may have been.
    """

    server_ms: float
    host_ms: float
    at: float
    unsure_ms: float

    @property
    def ahead_ms(self) -> float:
        """How far the server's clock is ahead of this host's."""
        return self.server_ms - self.host_ms

    def stepped_ms(self, later: Clock) -> float:
        """Return by how much the server's clock was set until a later look; 0: not."""
        step = (later.server_ms - self.server_ms) - (later.at - self.at) * 1000
        return step if abs(step) > self.unsure_ms + later.unsure_ms else 0.0


def clock(link: Link) -> Clock:
    """Look at both clocks."""
    before = monotonic()
    seconds, micros = ask(link, "TIME")
    after, host_ms = monotonic(), wall_ms()
    half = (after - before) / 2
    server_ms = int(seconds) * 1000 + int(micros) / 1000
    return Clock(server_ms, host_ms - half * 1000, before + half, half * 1000)


@dataclass(frozen=True, slots=True)
class Spike:
    """A kind of event for which the server did not answer for a while."""

    event: str
    at_ms: int
    longest_ms: int


def spikes(link: Link) -> list[Spike]:
    """Return what the server's latency monitor noted; nothing if it is off."""
    return [
        Spike(row[0].decode("utf-8", "replace"), int(row[1]) * 1000, int(row[3]))
        for row in ask(link, "LATENCY", "LATEST")
    ]


@dataclass(frozen=True, slots=True)
class Slow:
    """Scripts of this namespace in the server's slow log."""

    count: int
    longest_ms: float


def slow_scripts(link: Link, partition: Partition, since_ms: float) -> Slow:
    """Return which of our scripts took long since some time, by the server's clock."""
    key = partition.prefix.encode()
    took = [
        int(row[2]) / 1000
        for row in ask(link, "SLOWLOG", "GET", SLOW_ENTRIES)
        if int(row[1]) * 1000 >= since_ms and _is_script_on(row[3], key)
    ]
    return Slow(len(took), max(took, default=0.0))


def _is_script_on(command: list[bytes], key: bytes) -> bool:
    # EVALSHA, the digest or the text, how many keys, the key.
    return command[0].upper() in {b"EVALSHA", b"EVAL"} and command[3:4] == [key]


def addresses(url: str) -> list[str]:
    """Return the IP addresses a Redis URL stands for; none for a socket's path."""
    place = urlsplit(url)
    if place.scheme == "unix" or not place.hostname:
        return []
    try:
        found = socket.getaddrinfo(place.hostname, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreadable(f"{place.hostname} can't be looked up: {error}") from error
    return sorted({str(row[4][0]).partition("%")[0] for row in found})


def nearness(found: Iterable[str]) -> str:
    """Return ``host``, ``private`` or ``public``: the farthest of some addresses."""
    known = [ipaddress.ip_address(each) for each in found]
    if all(each.is_loopback for each in known):
        return "host"
    return "private" if all(each.is_private for each in known) else "public"


# --- what the user may do ---------------------------------------------------------


def needed(partition: Partition) -> list[tuple[str | bytes | int, ...]]:
    """Return one call of each command that workers, producers and operators need."""
    events, timers, record = (
        partition.events,
        partition.timers,
        partition.record("x"),
    )
    return [
        ("PING",),
        ("INFO",),
        ("TIME",),
        ("EVALSHA", "0" * 40, 1, partition.prefix),
        ("EVAL", "return 1", 1, partition.prefix),
        ("XADD", events, "*", "name", "x"),
        ("XREADGROUP", "GROUP", BELL, "x", "STREAMS", events, ">"),
        ("XGROUP", "CREATE", events, WORKERS, "0"),
        ("XINFO", "GROUPS", events),
        *(("XPENDING", events, WORKERS), ("XCLAIM", events, WORKERS, "x", 0, "0-1")),
        *(("XACK", events, WORKERS, "0-1"), ("XDEL", events, "0-1"), ("XLEN", events)),
        *(("XRANGE", events, "-", "+"), ("XREVRANGE", events, "+", "-")),
        *(("HSET", record, "x", "x"), ("HSETNX", partition.meta, "x", "x")),
        *(("HGET", record, "x"), ("HMGET", record, "x"), ("HGETALL", record)),
        *(("HDEL", record, "x"), ("HINCRBY", record, "x", 1), ("HEXISTS", record, "x")),
        *(("HKEYS", record), ("HSCAN", record, 0)),
        *(("RPUSH", record, "x"), ("LRANGE", record, 0, 0), ("LINDEX", record, 0)),
        *(("LLEN", record), ("LPOP", record), ("LSET", record, 0, "x")),
        ("LREM", record, 1, "x"),
        *(("ZADD", timers, 1, "x"), ("ZREM", timers, "x"), ("ZSCORE", timers, "x")),
        *(("ZCARD", timers), ("ZCOUNT", timers, 0, 1), ("ZRANGE", timers, 0, 0)),
        *(("ZRANGEBYSCORE", timers, 0, 1), ("ZREVRANGEBYSCORE", timers, 1, 0)),
        ("ZREMRANGEBYSCORE", timers, 0, 1),
        *(("GET", record), ("SET", record, "x"), ("DEL", record), ("EXISTS", record)),
        *(("PEXPIRE", record, 1), ("PTTL", record)),
    ]


def forbidden(link: Link, partition: Partition) -> list[str]:
    """Return which needed commands this user may not send, or not on our keys.

    Raises:
        Unreadable: the server can't tell without running them (before Redis 7), or
            does not.
    """
    calls = needed(partition)
    try:
        user: bytes = ask(link, "ACL", "WHOAMI")
        replies = ask_all(link, [("ACL", "DRYRUN", user, *call) for call in calls])
    except Unreadable as error:
        raise Unreadable(
            "ACL DRYRUN is not permitted, or unknown to this server (before Redis 7)"
        ) from error
    return sorted(
        {
            str(call[0])
            for call, reply in zip(calls, replies, strict=True)
            if reply != b"OK"
        }
    )
