"""What an operator does to a service at work: reloads, more and fewer workers, deaths.

Two thousand events a second come in meanwhile, and the books must be right afterwards.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet

APP = "tests.apps.tally:app"
EVENT = "Closed"
CHUNK, PAUSE = 100, 0.05
"""So many events each so many seconds: 2,000 a second."""
WORKERS = 3


class Repeated:
    """Does something again and again in a thread until its block ends."""

    def __init__(self, what: Callable[[], None], pause: float) -> None:
        self._what = what
        self._pause = pause
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failure and kind is None:
            raise self._failure

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._over.wait(max(0.0, due - time.monotonic())):
                self._what()
                # Whoever falls behind does not catch up in a rush.
                due = max(due + self._pause, time.monotonic())
        except BaseException as error:  # noqa: BLE001 - raised where the block ends
            self._failure = error


class Load:
    """Publishes steadily; ``sent`` says how many events so far."""

    def __init__(self, service: Service) -> None:
        self.sent = 0
        self._client = service.client()

    def publish(self) -> None:
        self._client.publish_many({"name": EVENT} for _ in range(CHUNK))
        self.sent += CHUNK


class Look:
    """Looks at the service as a load balancer and an operator do."""

    def __init__(self, service: Service) -> None:
        self.fewest = WORKERS
        self.statuses: set[str] = set()
        self._service = service

    def look(self) -> None:
        status, body = self._service.get("/api/workers")
        if status == 200:
            self.fewest = min(self.fewest, sum(map(is_ready, body["workers"])))
        health = self._service.health()
        if health:
            self.statuses.add(health["status"])


def is_ready(worker: dict[str, Any]) -> bool:
    not_yet = ("starting", "not started", "dead", "draining", "crash")
    return bool(worker["pid"]) and not any(
        reason.startswith(not_yet) for reason in worker["reasons"]
    )


def assert_the_books_are_right(db: redis.Redis, sent: int) -> None:
    found = until_quiet(db, 120)
    assert found["succeeded"] == found["started"] == found["completed"] == sent
    assert found["dead"] == found["failed"] == found["ignored"] == 0
    assert db.scard(f"seen:{EVENT}") == sent


def test_ten_reloads_lose_nothing_double_nothing_and_stop_nobody(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, APP, WORKER_COUNT=str(WORKERS)) as service:
        service.start()
        load, watcher = Load(service), Look(service)
        with Repeated(load.publish, PAUSE), Repeated(watcher.look, 0.02):
            for number in range(1, 11):
                service.signal(signal.SIGHUP)
                wait_until(
                    lambda n=number: service.log().count("reload finished") == n, 60
                )
        assert watcher.fewest >= WORKERS - 1
        assert_the_books_are_right(db, load.sent)
        assert int(db.get("runs") or 0) == load.sent, "nothing ran twice"
        # What the workers that are gone had counted is still there.
        wait_until(lambda: service.health()["eventsSucceeded"] == load.sent)
        assert service.health()["eventsFailed"] == 0
        assert service.stop() == 0


def test_nothing_is_lost_while_workers_come_go_and_die(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, APP, WORKER_COUNT=str(WORKERS)) as service:
        service.start()
        load, watcher = Load(service), Look(service)
        with Repeated(load.publish, PAUSE), Repeated(watcher.look, 0.02):
            # One after the other: the kernel may make one signal of two.
            for count in (WORKERS + 1, WORKERS + 2):
                service.signal(signal.SIGTTIN)
                service.until_ready(count)
            for count in (WORKERS + 1, WORKERS):
                service.signal(signal.SIGTTOU)
                service.until_ready(count)
            # Long past the last one's being new, so that what follows is its own.
            wait_until(lambda: service.health()["status"] == "healthy")
            watcher.statuses.clear()
            kill_one_a_second(service, times=8)
            assert "degraded" in watcher.statuses
            wait_until(lambda: service.health()["status"] == "healthy", 60)
        assert "unhealthy" not in watcher.statuses
        assert_the_books_are_right(db, load.sent)
        assert books(db)["duplicate"] == 0
        assert service.stop() == 0


def kill_one_a_second(service: Service, times: int) -> None:
    killed: list[int] = []

    def kill() -> None:
        ready = service.ready_pids()
        if ready:
            os.kill(ready[0], signal.SIGKILL)
            killed.append(ready[0])

    with Repeated(kill, 1.0):
        wait_until(lambda: len(killed) >= times, 60)
    service.remember()
