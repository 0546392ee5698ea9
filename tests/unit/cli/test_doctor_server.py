"""What ``wfworker doctor`` thinks of a server, its speed, its clock and its disk."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from tests.unit.cli.doctor_samples import CONFIG, info
from workflow_worker.broker.checkup import (
    Clock,
    Pings,
    Slow,
    Spike,
    nearness,
    needed,
)
from workflow_worker.broker.keys import Partition
from workflow_worker.cli.doctor import durability, server
from workflow_worker.cli.text import HOUR_MS

URL = "redis://db:6379/0"


@pytest.mark.parametrize(
    ("median", "slowest", "severity"),
    [(0.2, 1.0, "ok"), (0.2, 400.0, "note"), (25.0, 30.0, "warning")],
)
def test_a_far_server_is_a_warning(
    median: float, slowest: float, severity: str
) -> None:
    verdict = server.connection(Pings(20, median, slowest), URL)
    assert verdict.severity == severity
    assert URL in verdict.found


@pytest.mark.parametrize(
    ("changed", "severity"),
    [
        ({"redis_version": "6.2.0"}, "ok"),
        ({"redis_version": "6.0.16"}, "error"),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, "ok"),
        ({"redis_version": "7.2.4", "valkey_version": "7.0.1"}, "error"),
    ],
)
def test_versions_are_those_that_services_accept(
    changed: dict[str, str], severity: str
) -> None:
    assert server.version(info(**changed)).severity == severity


@pytest.mark.parametrize(
    "changed", [{"role": "slave", "master_host": "db1"}, {"cluster_enabled": "1"}]
)
def test_only_a_primary_of_its_own_will_do(changed: dict[str, str]) -> None:
    assert server.role(info(**changed)).severity == "error"
    assert server.role(info(cluster_enabled="0")).severity == "ok"


@pytest.mark.parametrize(
    ("found", "near"),
    [
        ([], "host"),
        (["127.0.0.1", "::1"], "host"),
        (["127.0.0.1", "10.0.0.7"], "private"),
        (["8.8.8.8", "10.0.0.7"], "public"),
    ],
)
def test_the_farthest_address_counts(found: list[str], near: str) -> None:
    assert nearness(found) == near


@pytest.mark.parametrize(
    ("near", "secure", "password", "severity"),
    [
        ("host", False, False, "ok"),
        ("private", False, True, "note"),
        ("public", True, True, "ok"),
        ("public", False, True, "warning"),
        ("public", True, False, "warning"),
    ],
)
def test_plain_text_over_a_public_network_is_a_warning(
    near: str, secure: bool, password: bool, severity: str
) -> None:
    assert server.transport(URL, near, secure, password).severity == severity


@pytest.mark.parametrize("option", ["ssl_cert_reqs=none", "ssl_check_hostname=no"])
def test_a_certificate_that_is_not_checked_is_a_warning(option: str) -> None:
    url = f"rediss://db:6379/0?{option}"
    assert server.transport(url, "private", True, True).severity == "warning"


def test_every_command_of_the_scripts_is_among_those_that_must_be_permitted() -> None:
    folder = resources.files("workflow_worker.broker") / "lua"
    files = [*folder.iterdir(), *(folder / "parts").iterdir()]
    text = "".join(file.read_text("utf-8") for file in files if file.is_file())
    called = set(re.findall(r"""redis\.p?call\(['"](\w+)['"]""", text))
    assert len(called) > 30
    assert called - {str(call[0]) for call in needed(Partition("wf"))} == set()


def test_what_may_not_be_sent_is_an_error_with_the_command_that_allows_it() -> None:
    verdict = server.permissions(["XACK", "XADD"], "app")
    assert verdict.severity == "error"
    assert "ACL SETUSER app +xack +xadd" in verdict.advice
    assert server.permissions([], "app").severity == "ok"


def clock(server_s: float, host_s: float, at: float, unsure_ms: float = 1) -> Clock:
    return Clock(server_s * 1000, host_s * 1000, at, unsure_ms)


@pytest.mark.parametrize(
    ("first", "later", "severity", "text"),
    [
        (clock(100, 100, 5), clock(101, 101, 6), "ok", "ms"),
        (clock(101, 100, 5), clock(102, 101, 6), "note", "1.0 s ahead of"),
        (clock(100, 160, 5), clock(101, 161, 6), "warning", "60.0 s behind"),
        (clock(100, 100, 5), clock(99, 101, 6), "warning", "jumped by -2.0 s"),
        # The host's own was set: that is no jump of the server's.
        (clock(100, 100, 5), clock(101, 101.2, 6), "ok", "behind"),
        # Nobody knows when it looked.
        (clock(100, 100, 5), clock(103, 103, 6, 3000), "ok", "ms"),
    ],
)
def test_a_clock_that_is_off_or_jumps_is_told(
    first: Clock, later: Clock, severity: str, text: str
) -> None:
    verdict = server.clock(first, later)
    assert verdict.severity == severity
    assert text in verdict.found


def test_only_long_stalls_of_the_last_hour_count() -> None:
    now = 10 * HOUR_MS
    short, old = Spike("fork", now, 100), Spike("command", now - HOUR_MS, 900)
    assert server.stalls([short, old], now).severity == "ok"
    verdict = server.stalls([short, old, Spike("aof-fsync-always", now, 900)], now)
    assert verdict.severity == "warning"
    assert verdict.found.endswith("aof-fsync-always 900 ms")


@pytest.mark.parametrize(
    ("found", "severity"),
    [(Slow(0, 0.0), "ok"), (Slow(3, 20.0), "note"), (Slow(1, 300.0), "warning")],
)
def test_slow_scripts_are_told(found: Slow, severity: str) -> None:
    assert server.scripts(found).severity == severity


@pytest.mark.parametrize(
    ("now", "wanted", "severity"),
    [("5", 20, "ok"), ("80", 20, "warning"), ("5", 100, "warning")],
)
def test_room_for_connections_is_judged(now: str, wanted: int, severity: str) -> None:
    found = info(maxclients="100", connected_clients=now)
    assert server.clients(found, {}, wanted).severity == severity


@pytest.mark.parametrize(
    ("changed", "severity"),
    [({}, "ok"), ({"timeout": "20"}, "note"), ({"tcp-keepalive": "0"}, "note")],
)
def test_hanging_up_on_idle_connections_is_told(
    changed: dict[str, str], severity: str
) -> None:
    assert server.idleness(CONFIG | changed, 30_000).severity == severity


# --- durability -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "maxmemory", "severity"),
    [
        ("noeviction", "100", "ok"),
        ("allkeys-lru", "100", "error"),
        ("allkeys-lru", "0", "warning"),
        ("volatile-ttl", "100", "warning"),
        ("volatile-ttl", "0", "note"),
    ],
)
def test_a_policy_that_drops_is_told(
    policy: str, maxmemory: str, severity: str
) -> None:
    found = info(maxmemory_policy=policy, maxmemory=maxmemory)
    assert durability.eviction(found).severity == severity


@pytest.mark.parametrize(
    ("used", "maxmemory", "severity"),
    [
        ("790", "1000", "ok"),
        ("810", "1000", "warning"),
        ("960", "1000", "error"),
        ("700", "0", "note"),
        ("1700", "0", "warning"),
    ],
)
def test_memory_that_runs_out_is_told(used: str, maxmemory: str, severity: str) -> None:
    found = info(used_memory=used, maxmemory=maxmemory, total_system_memory="2000")
    assert durability.memory(found).severity == severity


@pytest.mark.parametrize(
    ("used", "held", "severity"),
    [
        (10**9, 11 * 10**8, "ok"),
        (10**9, 8 * 10**8, "warning"),
        (10**9, 2 * 10**9, "note"),
        (10**6, 10**7, "ok"),
    ],
)
def test_swapped_or_scattered_memory_is_told(
    used: int, held: int, severity: str
) -> None:
    found = info(used_memory=str(used), used_memory_rss=str(held))
    assert durability.fragmentation(found).severity == severity


@pytest.mark.parametrize(
    ("aof", "config", "severity"),
    [
        ("1", CONFIG, "ok"),
        ("1", CONFIG | {"appendfsync": "everysec"}, "note"),
        ("1", CONFIG | {"appendfsync": "no"}, "warning"),
        ("1", None, "note"),
        ("0", CONFIG | {"save": "3600 1"}, "warning"),
        ("0", CONFIG, "error"),
        ("0", None, "warning"),
    ],
)
def test_what_a_crash_takes_along_is_told(
    aof: str, config: dict[str, str] | None, severity: str
) -> None:
    assert durability.persistence(info(aof_enabled=aof), config).severity == severity


@pytest.mark.parametrize(
    ("changed", "config", "severity"),
    [
        ({}, CONFIG, "ok"),
        ({"aof_last_write_status": "err"}, CONFIG, "error"),
        ({"aof_last_bgrewrite_status": "err"}, CONFIG, "warning"),
        ({"rdb_last_bgsave_status": "err"}, CONFIG, "warning"),
        ({"rdb_last_bgsave_status": "err"}, CONFIG | {"save": "60 1"}, "error"),
        ({"rdb_last_bgsave_status": "err"}, None, "warning"),
    ],
)
def test_a_disk_that_takes_nothing_is_told(
    changed: dict[str, str], config: dict[str, str] | None, severity: str
) -> None:
    assert durability.writes(info(**changed), config).severity == severity


@pytest.mark.parametrize(
    ("replicas", "wanted", "severity"),
    [
        ({}, "0", "note"),
        ({}, "1", "error"),
        ({"slave0": "ip=1,state=online,lag=1"}, "0", "note"),
        ({"slave0": "ip=1,state=online,lag=1"}, "1", "ok"),
        ({"slave0": "ip=1,state=online,lag=99"}, "0", "warning"),
        ({"slave0": "ip=1,state=wait_bgsave,lag=0"}, "0", "warning"),
        (
            {"slave0": "ip=1,state=online,lag=9", "min_slaves_good_slaves": "0"},
            "1",
            "error",
        ),
    ],
)
def test_what_a_failover_loses_is_told(
    replicas: dict[str, str], wanted: str, severity: str
) -> None:
    config = CONFIG | {"min-replicas-to-write": wanted}
    assert durability.replication(info(**replicas), config).severity == severity
