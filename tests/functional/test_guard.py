"""For whom the monitor renews leases, and for whom it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
import redis

from tests.servers import Server, wait_until
from workflow_worker.board import Board, Slot
from workflow_worker.broker import boot, claim, fleet
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.clock import monotonic
from workflow_worker.model import Route
from workflow_worker.monitor.guard import Guard
from workflow_worker.settings import Settings

PARTITION = Partition("wf")
LEASE, HANG = 10.0, 60.0
OLD_MS = 100


class Worker:
    """A worker as the board and the server see it: it holds one entry per name."""

    def __init__(self, db: redis.Redis, url: str) -> None:
        self.db = db
        self.link = Link(url)
        self.board = Board.create(2, 4)
        self.slot: Slot = self.board.slots[0]
        self.slot.hand_over(restarted=False)
        self.slot.inhabited(os.getpid())
        self.slot.begin("first")
        self.began = monotonic()
        self.guard = Guard(
            Settings(
                redis_url=url,
                lease_ms=int(LEASE * 1000),
                hang_timeout_ms=int(HANG * 1000),
            ),
            self.board,
        )
        boot.check(self.link, PARTITION)
        fleet.register(self.link, PARTITION, (Route("w", names=("go",)),))
        self.hold("first")

    def hold(self, consumer: str) -> None:
        self.db.xadd(PARTITION.events, {"name": "go"})
        owner = Owner(consumer, PARTITION, 1000, 60_000, 60_000, 10)
        assert len(claim.take(self.link, owner, 1).tasks) == 1

    def idle(self) -> dict[str, int]:
        rows = self.db.xpending_range(PARTITION.events, "workers", "-", "+", 9)
        return {r["consumer"].decode(): r["time_since_delivered"] for r in rows}

    def renewed_after(self, silence: float) -> set[str]:
        """Look after so many seconds of silence; the names that were renewed for."""
        wait_until(lambda: min(self.idle().values()) > OLD_MS)
        before = self.idle()
        self.guard.look(self.began + silence)
        return {name for name, idle in self.idle().items() if idle < before[name]}


@pytest.fixture
def worker(db: redis.Redis, valkey: Server) -> Iterator[Worker]:
    made = Worker(db, valkey.url)
    yield made
    made.link.close()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until it is killed."""
    waits = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_silent_worker_is_helped_until_it_counts_as_hung(worker: Worker) -> None:
    assert worker.renewed_after(LEASE / 4 - 0.5) == set()
    assert worker.renewed_after(LEASE / 4 + 0.5) == {"first"}
    assert worker.renewed_after(HANG - 1) == {"first"}
    assert worker.renewed_after(HANG + 1) == set()


def test_one_that_is_stopped_is_not_helped_until_it_goes_on(
    worker: Worker, child: subprocess.Popen[bytes]
) -> None:
    worker.slot.inhabited(child.pid)
    child.send_signal(signal.SIGSTOP)
    seen = psutil.Process(child.pid)
    wait_until(lambda: seen.status() == psutil.STATUS_STOPPED)
    assert worker.renewed_after(LEASE / 2) == set()
    child.send_signal(signal.SIGCONT)
    wait_until(lambda: seen.status() != psutil.STATUS_STOPPED)
    assert worker.renewed_after(LEASE / 2) == {"first"}


def test_the_dead_are_not_helped_reaped_or_not(
    worker: Worker, child: subprocess.Popen[bytes]
) -> None:
    worker.slot.inhabited(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert worker.renewed_after(LEASE / 2) == set()
    child.wait()
    assert worker.renewed_after(LEASE / 2) == set()
    worker.slot.vacated(-9)
    assert worker.renewed_after(LEASE / 2) == set()


def test_what_it_took_under_a_former_name_is_kept_too(worker: Worker) -> None:
    worker.guard.look(worker.began)
    worker.slot.renamed("second")
    worker.hold("second")
    assert worker.renewed_after(LEASE / 2) == {"first", "second"}


def test_the_names_of_who_lived_there_before_are_forgotten(worker: Worker) -> None:
    worker.guard.look(worker.began)
    worker.slot.vacated(-9)
    worker.slot.hand_over(restarted=True)
    worker.slot.inhabited(os.getpid())
    worker.slot.begin("second")
    worker.hold("second")
    silence = monotonic() - worker.began + LEASE / 2
    assert worker.renewed_after(silence) == {"second"}


def test_a_silence_is_told_once_and_only_if_something_was_kept(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    idle = worker.board.slots[1]
    idle.hand_over(restarted=False)
    idle.inhabited(os.getpid())
    idle.begin("idle")
    for _ in range(3):
        worker.guard.look(worker.began + LEASE / 2)
    assert [r.getMessage().split(" gives")[0] for r in caplog.records] == ["worker 0"]
    worker.guard.look(worker.began)
    worker.guard.look(worker.began + LEASE / 2)
    assert len(caplog.records) == 2


def test_an_outage_is_waited_out(own_server: Server) -> None:
    with own_server.client() as db:
        worker = Worker(db, own_server.url)
        own_server.stop()
        worker.guard.look(worker.began + LEASE / 2)
        own_server.start()
        assert worker.renewed_after(LEASE / 2) == {"first"}
        worker.link.close()
