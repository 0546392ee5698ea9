"""What must be true of a server before work is taken from it, and made so where it can.

Runs at every start and after every reconnect: a server that came back may be another
one, or have lost its tail.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from redis.exceptions import ResponseError

from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import BELL, PROTOCOL, WORKERS, Partition
from workflow_worker.errors import ConfigurationError

OLDEST_REDIS = (6, 2)
OLDEST_VALKEY = (7, 2)


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says of itself.

    Attributes:
        run_id: changes with every start of the server.
        name: ``redis`` or ``valkey``.
        version: as numbers, for comparing.
        epoch: made once per database, part of every idempotency key.
    """

    run_id: str
    name: str
    version: tuple[int, ...]
    epoch: str


def check(link: Link, partition: Partition) -> Server:
    """Check the server and make the groups and the epoch where they are missing.

    Raises:
        ConfigurationError: work on this server would not be safe; one sentence. After
            a reconnect it may be a failover under way: then wait and check again.
        Unavailable: it can't be reached or can't serve now.
    """
    facts = _info(link)
    name, version = _version(facts)
    _refuse_eviction(facts)
    if facts.get("role") in {"slave", "replica"}:
        raise ConfigurationError(
            "REDIS_URL names a read-only replica; give the address of its primary"
        )
    _make_groups(link, partition)
    return Server(facts["run_id"], name, version, _meta(link, partition))


def _info(link: Link) -> dict[str, str]:
    text: bytes = link.call("INFO")
    pairs = (line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return dict(pairs)


def _version(facts: dict[str, str]) -> tuple[str, tuple[int, ...]]:
    if "valkey_version" in facts:
        name, text, oldest = "valkey", facts["valkey_version"], OLDEST_VALKEY
    else:
        name, text, oldest = "redis", facts["redis_version"], OLDEST_REDIS
    version = tuple(int(part) for part in text.split(".") if part.isdigit())
    if version < oldest:
        wanted = ".".join(map(str, oldest))
        raise ConfigurationError(
            f"the server is {name} {text}; {name} {wanted} or newer is needed"
        )
    return name, version


def _refuse_eviction(facts: dict[str, str]) -> None:
    policy = facts.get("maxmemory_policy", "noeviction")
    if facts.get("maxmemory", "0") != "0" and policy.startswith("allkeys-"):
        raise ConfigurationError(
            f"the server's maxmemory-policy is {policy}, which would drop events when "
            "memory is full; set it to noeviction"
        )


def _make_groups(link: Link, partition: Partition) -> None:
    """Create what is missing, and only that: a full server refuses even to be asked."""
    for stream, groups in (
        (partition.events, (WORKERS, BELL)),
        (partition.bell, (BELL,)),
    ):
        present = _groups_of(link, stream)
        for group in groups:
            if group not in present:
                _make_group(link, stream, group)


def _groups_of(link: Link, stream: str) -> set[str]:
    try:
        rows = link.call("XINFO", "GROUPS", stream)
    except ResponseError:  # no such stream yet
        return set()
    return {row[row.index(b"name") + 1].decode() for row in rows}


def _make_group(link: Link, stream: str, group: str) -> None:
    try:
        link.call("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):  # another worker was faster
            raise


def _meta(link: Link, partition: Partition) -> str:
    epoch, protocol = link.call("HMGET", partition.meta, "epoch", "protocol")
    if epoch is None or protocol is None:
        link.call("HSETNX", partition.meta, "epoch", secrets.token_hex(4))
        link.call("HSETNX", partition.meta, "protocol", PROTOCOL)
        epoch, protocol = link.call("HMGET", partition.meta, "epoch", "protocol")
    if protocol.decode() != PROTOCOL:
        raise ConfigurationError(
            f"the namespace {partition.namespace} is used by protocol version "
            f"{protocol.decode()}, this one is {PROTOCOL}; choose another "
            "WORKFLOW_NAMESPACE"
        )
    text: str = epoch.decode()
    return text
