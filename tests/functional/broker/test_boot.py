"""What must be true of a server: refused in one sentence, or made so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.functional.broker.conftest import PARTITION, Database
from tests.servers import Server
from tests.service import Service
from workflow_worker.broker import boot
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import PROTOCOL, Partition
from workflow_worker.errors import ConfigurationError


@pytest.fixture
def link(base: Database) -> Iterator[Link]:
    link = Link(base.server.url)
    yield link
    link.close()


@pytest.fixture
def config(base: Database) -> Iterator[redis.Redis]:
    """The server, to change its configuration for one test."""
    names = ("maxmemory", "maxmemory-policy")
    before = {name: base.client.config_get(name)[name] for name in names}
    yield base.client
    for name, value in before.items():
        base.client.config_set(name, value)


@pytest.fixture
def replica(base: Database) -> Iterator[redis.Redis]:
    """The server as a replica of one that is away; read-only, as replicas are."""
    base.client.replicaof("127.0.0.1", 1)
    yield base.client
    base.client.replicaof("NO", "ONE")


def groups(base: Database, stream: str) -> dict[str, bytes]:
    """Name and last delivered id of each group."""
    rows = base.client.xinfo_groups(stream)
    return {row["name"].decode(): row["last-delivered-id"] for row in rows}


# --- eviction ---------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_a_server_that_would_evict_events_is_refused(
    config: redis.Redis, link: Link, policy: str
) -> None:
    config.config_set("maxmemory", "1gb")
    config.config_set("maxmemory-policy", policy)
    with pytest.raises(ConfigurationError, match=f"{policy}.*set it to noeviction"):
        boot.check(link, PARTITION)


@pytest.mark.parametrize(
    ("limit", "policy"),
    [("0", "allkeys-lru"), ("1gb", "noeviction"), ("1gb", "volatile-lru")],
)
def test_a_server_that_cannot_evict_events_is_used(
    config: redis.Redis, link: Link, limit: str, policy: str
) -> None:
    config.config_set("maxmemory", limit)
    config.config_set("maxmemory-policy", policy)
    assert boot.check(link, PARTITION).epoch


# --- replicas and versions --------------------------------------------------------


def test_a_read_only_replica_is_refused(replica: redis.Redis, link: Link) -> None:
    with pytest.raises(ConfigurationError, match="replica; give the address of its"):
        boot.check(link, PARTITION)


def test_a_service_on_a_replica_ends_with_one_sentence(
    own_server: Server, tmp_path: Path
) -> None:
    with own_server.client() as client:
        client.replicaof("127.0.0.1", 1)
    with Service(own_server.url, tmp_path, WORKER_COUNT="1") as service:
        service.launch()
        assert service.process.wait(30) == 2
    assert "REDIS_URL names a read-only replica" in service.log()
    assert "Traceback" not in service.log()


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"redis_version": "6.0.16"}, r"redis 6\.0\.16; redis 6\.2 or newer"),
        ({"redis_version": "5.0"}, r"redis 5\.0; redis 6\.2 or newer"),
        # Valkey says 7.2.4 where a client asks for Redis.
        (
            {"redis_version": "7.2.4", "valkey_version": "7.1.9"},
            r"valkey 7\.1\.9; valkey 7\.2 or newer",
        ),
    ],
)
def test_a_server_too_old_is_refused(facts: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        boot._version(facts)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"redis_version": "6.2.0"}, ("redis", (6, 2, 0))),
        ({"redis_version": "10.0.1"}, ("redis", (10, 0, 1))),
        (
            {"redis_version": "7.2.4", "valkey_version": "7.2.0"},
            ("valkey", (7, 2, 0)),
        ),
    ],
)
def test_a_server_new_enough_is_known_by_its_version(
    facts: dict[str, str], found: tuple[str, tuple[int, ...]]
) -> None:
    assert boot._version(facts) == found


def test_the_server_is_known_by_what_it_is(base: Database, link: Link) -> None:
    found = boot.check(link, PARTITION)
    facts = base.client.info("server")
    assert found.run_id == facts["run_id"]
    assert found.name == ("valkey" if "valkey_version" in facts else "redis")


# --- groups -----------------------------------------------------------------------


def test_missing_groups_are_made(base: Database, link: Link) -> None:
    base.client.flushall()
    boot.check(link, PARTITION)
    assert set(groups(base, PARTITION.events)) == {"workers", "bell"}
    assert set(groups(base, PARTITION.bell)) == {"bell"}


def test_events_published_before_the_first_start_are_not_passed_over(
    base: Database, link: Link
) -> None:
    base.client.flushall()
    base.add("go")
    boot.check(link, PARTITION)
    assert groups(base, PARTITION.events)["workers"] == b"0-0"


def test_one_missing_group_is_made_beside_the_other(base: Database, link: Link) -> None:
    base.client.xgroup_destroy(PARTITION.events, "bell")
    boot.check(link, PARTITION)
    assert set(groups(base, PARTITION.events)) == {"workers", "bell"}


def test_groups_that_exist_are_left_alone(base: Database, link: Link) -> None:
    base.add("go")
    [task] = base.hand().take()
    before = groups(base, PARTITION.events)
    boot.check(link, PARTITION)
    assert groups(base, PARTITION.events) == before
    assert before["workers"] != b"0-0"
    assert base.hand().commit(task) == [True]


def test_a_full_server_is_not_asked_to_make_what_is_there(
    config: redis.Redis, link: Link
) -> None:
    config.config_set("maxmemory-policy", "noeviction")
    config.config_set("maxmemory", "1")
    assert boot.check(link, PARTITION).epoch


# --- epoch and protocol -----------------------------------------------------------


def test_the_epoch_is_made_once(base: Database, link: Link) -> None:
    first = boot.check(link, PARTITION).epoch
    other = Link(base.server.url)
    assert boot.check(other, PARTITION).epoch == first
    other.close()
    assert base.client.hget(PARTITION.meta, "epoch") == first.encode()


def test_another_database_has_another_epoch(base: Database, link: Link) -> None:
    first = boot.check(link, PARTITION).epoch
    base.client.flushall()
    assert boot.check(link, PARTITION).epoch != first


def test_a_namespace_has_an_epoch_of_its_own(link: Link) -> None:
    other = boot.check(link, Partition("other"))
    assert other.epoch != boot.check(link, PARTITION).epoch


def test_another_protocol_version_is_refused(base: Database, link: Link) -> None:
    base.client.hset(PARTITION.meta, "protocol", "9")
    sentence = f"namespace t .* version 9, this one is {PROTOCOL}; choose another"
    with pytest.raises(ConfigurationError, match=sentence):
        boot.check(link, PARTITION)
    assert base.client.hget(PARTITION.meta, "protocol") == b"9"


def test_a_version_without_an_epoch_is_completed(base: Database, link: Link) -> None:
    base.client.hdel(PARTITION.meta, "epoch")
    found = boot.check(link, PARTITION)
    assert base.client.hget(PARTITION.meta, "epoch") == found.epoch.encode()


def test_an_epoch_without_a_version_stays(base: Database, link: Link) -> None:
    first = boot.check(link, PARTITION).epoch
    base.client.hdel(PARTITION.meta, "protocol")
    assert boot.check(link, PARTITION).epoch == first
    assert base.client.hget(PARTITION.meta, "protocol") == PROTOCOL.encode()
