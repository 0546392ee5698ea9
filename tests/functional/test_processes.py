"""Kills, drains and reloads of a running service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet


@pytest.fixture
def service(valkey: Server, db: redis.Redis, tmp_path: Path) -> Iterator[Service]:
    with Service(valkey.url, tmp_path) as running:
        yield running.start()


def begin_slow(service: Service, *names: str) -> None:
    with service.client() as client:
        client.publish_many({"name": "slow", "key": name} for name in names)
    wait_until(lambda: sorted(service.marked("began")) == sorted(names))


def test_what_a_killed_worker_had_begun_runs_again_in_its_replacement(
    service: Service, db: redis.Redis
) -> None:
    names = [f"k{i}" for i in range(8)]
    begin_slow(service, *names)
    victim = service.pid_of("began", "k0")
    hit = [name for name in names if service.pid_of("began", name) == victim]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: all(len(service.times("began", name)) == 2 for name in hit))
    for name in names:
        service.open_gate(name)
    until_quiet(db)
    assert sorted(service.marked("ran")) == names
    assert len(service.marked("began")) == len(names) + len(hit)
    assert victim not in service.ready_pids()
    assert books(db)["succeeded"] == len(names)


def test_an_event_that_takes_its_worker_down_again_and_again_is_a_dead_letter(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, WORKER_COUNT="1", MAX_DELIVERIES="2") as service:
        service.start()
        begin_slow(service, "poison")
        for time in (1, 2):
            wait_until(lambda: len(service.times("began", "poison")) == time)  # noqa: B023 - called at once
            os.kill(service.pid_of("began", "poison"), signal.SIGKILL)
        wait_until(lambda: books(db)["dead"] == 1)
        [letter] = service.client().dead_letters()
    assert letter.error_type == "Poison"
    assert letter.fields["key"] == b"poison"
    assert len(service.times("began", "poison")) == 2


def test_a_killed_master_leaves_no_process_and_nothing_is_lost(
    service: Service, db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    begin_slow(service, "a", "b", "c")
    service.process.kill()
    service.process.wait(10)
    wait_until(
        lambda: not [p for p in service.family if p.is_running() and not zombie(p)],
        timeout=5,
        what="all processes of the killed master are gone",
    )
    for name in "abc":
        service.open_gate(name)
    with Service(valkey.url, tmp_path, LEASE_MS="1000", POLL_INTERVAL_MS="200") as heir:
        heir.start()
        until_quiet(db)
        assert sorted(heir.marked("ran")) == ["a", "b", "c"]
        wait_until(
            lambda: len(db.xinfo_consumers("{wf:0}:events", "workers")) == 2,
            what="only living consumers are left",
        )


def zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_drain_finishes_what_runs_and_gives_back_what_does_not(
    service: Service, db: redis.Redis
) -> None:
    names = [f"r{i}" for i in range(10)]
    begin_slow(service, *names)
    with service.client() as client:
        client.publish_many({"name": "quick", "key": f"q{i}"} for i in range(30))
    service.signal()
    wait_until(lambda: "draining" in service.log())
    for name in names:
        service.open_gate(name)
    assert service.process.wait(20) == 0
    assert sorted(service.marked("ran")) == names
    left = books(db)
    assert (left["stream"], left["pending"], left["succeeded"]) == (30, 0, 10)
    assert db.xinfo_consumers("{wf:0}:events", "workers") == []


def test_a_second_interrupt_stops_at_once_and_nothing_is_lost(
    service: Service, db: redis.Redis
) -> None:
    begin_slow(service, "held")
    service.signal(signal.SIGINT)
    wait_until(lambda: "drain" in service.log())
    service.signal(signal.SIGINT)
    service.process.wait(10)
    assert books(db)["stream"] == 1


def test_what_outlives_the_grace_is_given_back_and_resumes_uncounted(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, SHUTDOWN_TIMEOUT_MS="300") as service:
        service.start()
        begin_slow(service, "long")
        service.stop()
        left = books(db)
        assert (left["stream"], left["pending"]) == (1, 0)
    with Service(valkey.url, tmp_path, MAX_DELIVERIES="1") as heir:
        heir.start()
        wait_until(lambda: len(service.times("began", "long")) == 2)
        service.open_gate("long")
        until_quiet(db)
    assert service.marked("ran") == ["long"]


@pytest.mark.parametrize(
    "streams", [">/dev/full 2>&1", "<&- >&- 2>&-"], ids=["a full disk", "closed"]
)
def test_a_log_that_can_t_be_written_stops_nobody(
    db: redis.Redis, valkey: Server, tmp_path: Path, streams: str
) -> None:
    # Buffered, as they are by default: what can't be written stays to be flushed.
    with Service(valkey.url, tmp_path, WORKER_COUNT="1", PYTHONUNBUFFERED="") as it:
        it.log_path.touch()
        start = f'exec "$0" -m workflow_worker start {streams}'
        command = ["sh", "-c", start, sys.executable]
        it.process = subprocess.Popen(command, env=it.env)
        it.until_ready()
        (before,) = it.ready_pids()
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: it.ready_pids() not in ([], [before]))
        fds = Path(f"/proc/{it.process.pid}/fd")
        held = {(fds / number).resolve().name for number in "12"}
        assert held <= {"full", "null"}  # no socket, no pipe of the master's
        assert it.stop() == 0


def test_a_crashed_monitor_comes_back_on_its_port(service: Service) -> None:
    master = psutil.Process(service.process.pid)
    monitor = next(p for p in master.children() if "monitor" in " ".join(p.cmdline()))
    monitor.kill()
    wait_until(lambda: not monitor.is_running() or zombie(monitor))
    wait_until(lambda: service.get("/livez")[0] == 200)
    assert service.health()["status"] == "healthy"


def test_a_reload_brings_new_workers_and_loses_nothing(
    service: Service, db: redis.Redis
) -> None:
    before = set(service.ready_pids())
    with service.client() as client:
        for i in range(10):
            client.publish("quick", key=f"before{i}")
        service.signal(signal.SIGHUP)
        for i in range(200):
            client.publish("quick", key=f"during{i}")
    wait_until(
        lambda: (
            len(service.ready_pids()) == 2 and not before & set(service.ready_pids())
        ),
        what="two new workers",
    )
    service.remember()
    until_quiet(db)
    assert len(service.marked("ran")) == 210
    assert books(db)["succeeded"] == 210


def test_the_log_names_worker_and_execution(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, LOG_LEVEL="debug", LOG_FORMAT="json") as service:
        service.start()
        with service.client() as client:
            client.publish("fails", id="logged")
        until_quiet(db)
        wait_until(lambda: "0-logged.fails" in service.log())
        records = [json.loads(line) for line in service.log().splitlines()]
        assert service.stop() == 0
    told = [r for r in records if r.get("execution") == "0-logged.fails"]
    assert told
    assert {record["slot"] for record in told} <= {0, 1}
