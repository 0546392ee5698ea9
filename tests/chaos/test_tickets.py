"""The real log as one execution per ticket: each takes the path its ticket took."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import redis

from tests.chaos.log import moves, traces
from tests.servers import Server, wait_until
from tests.service import Service, until_quiet
from workflow_worker.model import Json

APP = "tests.apps.tickets:app"
LEASE = 1.5
"""Seconds; short, so that a frozen worker loses its leases within the test."""
CHUNK = 250


def paths(db: redis.Redis) -> dict[str, list[str]]:
    """The recorded path of each completed execution, by the key of its ticket."""
    found: dict[str, list[str]] = {}
    for execution in db.zrange("{wf:0}:by-status:completed", 0, -1):
        key, result = db.hmget(b"{wf:0}:x:" + execution, "key", "result")
        assert key.decode() not in found
        found[key.decode()] = json.loads(result)
    return found


def assert_every_ticket_took_its_path(db: redis.Redis, events: int) -> None:
    until_quiet(db, 100)
    expected = traces()
    assert paths(db) == expected
    stats = {k.decode(): int(v) for k, v in db.hgetall("{wf:0}:stats").items()}
    tickets = len(expected)
    assert stats["events_succeeded"] == events
    assert stats["executions_started"] == stats["executions_completed"] == tickets
    sent = events - tickets
    assert stats["signals_delivered"] == stats["signals_consumed"] == sent
    assert db.xlen("{wf:0}:dead") == 0
    archived = db.hgetall("archived")
    assert len(archived) == tickets
    left = {key for key in db.keys("*") if b":open:" in key or b":in:" in key}
    assert left == set()
    for status in ("running", "waiting", "failed", "cancelled"):
        assert db.zcard(f"{{wf:0}}:by-status:{status}") == 0


def test_each_ticket_takes_its_path_while_workers_die_and_freeze(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    limits = {"LEASE_MS": str(int(LEASE * 1000)), "HANG_TIMEOUT_MS": "60000"}
    with Service(valkey.url, tmp_path, APP, **limits) as service:
        service.start()
        with dying(service) as deaths, freezing(service) as freezes:
            with service.client() as client:
                for chunk in in_chunks(moves()):
                    client.publish_many(chunk)
                    # As fast as they are handled, and no faster: so that the faults
                    # strike executions in every state.
                    wait_until(lambda: db.xlen("{wf:0}:events") < 2 * CHUNK, 60)
            wait_until(lambda: len(deaths) >= 5 and freezes, 60)
        service.until_ready()
        assert_every_ticket_took_its_path(db, sum(1 for _ in moves()))
        assert service.stop() == 0


def test_each_ticket_takes_its_path_in_its_own_time(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, APP, HASTE="1e6") as service:
        service.start()
        with service.client() as client:
            events = len(client.publish_many(moves()))
        assert_every_ticket_took_its_path(db, events)
        assert service.stop() == 0


def in_chunks(events: Iterator[Json]) -> Iterator[list[Json]]:
    while chunk := list(itertools.islice(events, CHUNK)):
        yield chunk


@contextmanager
def dying(service: Service) -> Iterator[list[int]]:
    """Kill a random worker every second; yields the pids of the dead."""
    chance = random.Random(11)
    killed: list[int] = []

    def strike() -> None:
        pids = service.ready_pids()
        if pids:
            service.remember()
            killed.append(chance.choice(pids))
            os.kill(killed[-1], signal.SIGKILL)

    with every(1.0, strike):
        yield killed


@contextmanager
def freezing(service: Service) -> Iterator[list[int]]:
    """Stop a worker past its lease, every ten seconds; yields their pids."""
    frozen: list[int] = []
    chance = random.Random(13)

    def strike() -> None:
        pids = service.ready_pids()
        if not pids:
            return
        victim = psutil.Process(chance.choice(pids))
        victim.suspend()
        frozen.append(victim.pid)
        threading.Event().wait(2 * LEASE)
        if victim.is_running():
            victim.resume()

    with every(10.0, strike):
        yield frozen


@contextmanager
def every(seconds: float, strike: object) -> Iterator[None]:
    """Do this in a thread, at once and again after so many seconds, until the end."""
    assert callable(strike)
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(seconds):
            strike()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
