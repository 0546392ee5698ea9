"""The real log through two workers: every event once, whatever is killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.chaos.log import lines
from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet

APP = "tests.apps.tally:app"


def publish(service: Service) -> int:
    with service.client() as client:
        ids = client.publish_many(
            {"name": line["activity"], "key": line["case"], "payload": dict(line)}
            for line in lines()
        )
    return len(ids)


def tallied(db: redis.Redis) -> Counter[str]:
    return Counter(
        {
            key.decode().removeprefix("seen:"): db.scard(key)
            for key in db.scan_iter("seen:*")
        }
    )


def assert_the_books_are_right(db: redis.Redis, sent: int) -> None:
    assert tallied(db) == Counter(line["activity"] for line in lines())
    found = books(db)
    assert found["succeeded"] == found["started"] == found["completed"] == sent
    assert found["dead"] == found["failed"] == found["ignored"] == 0
    assert found["stream"] == found["pending"] == found["timers"] == 0


def test_every_activity_is_counted_once(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, APP) as service:
        service.start()
        sent = publish(service)
        until_quiet(db, 120)
        wait_until(lambda: service.health()["eventsProcessed"] == sent)
        assert service.health()["eventsSucceeded"] == sent
        assert service.stop() == 0
    assert_the_books_are_right(db, sent)
    assert int(db.get("runs") or 0) == sent
    assert db.xinfo_consumers("{wf:0}:events", "workers") == []


def test_every_activity_is_counted_once_while_a_worker_dies_every_second(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, APP) as service:
        service.start()
        with killing(service) as killed:
            sent = 0
            # Long enough for a handful of deaths, however fast the machine is.
            while len(killed) < 5:
                sent += publish(service)
                until_quiet(db, 120)
        service.until_ready()
        until_quiet(db, 120)
        # Each pass publishes the whole log anew, as other events.
        rounds = sent // len(lines())
        expected = Counter(line["activity"] for line in lines())
        assert tallied(db) == Counter({k: v * rounds for k, v in expected.items()})
        found = books(db)
        assert found["succeeded"] == found["started"] == found["completed"] == sent
        assert found["dead"] == found["failed"] == found["ignored"] == 0
        # Only what was begun or not yet committed ran twice.
        assert int(db.get("runs") or 0) - sent <= len(killed) * 500
        assert service.stop() == 0


@contextmanager
def killing(service: Service) -> Iterator[list[int]]:
    """Kill a random worker every second; yields the pids of the dead."""
    over, killed = threading.Event(), []
    chance = random.Random(7)

    def strike() -> None:
        while not over.wait(1.0):
            pids = service.ready_pids()
            if pids:
                victim = chance.choice(pids)
                service.remember()
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()
