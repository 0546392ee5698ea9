"""What the monitor sees of workers and Redis, as Prometheus is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from workflow_worker.board import Board, Restart
from workflow_worker.metrics import table
from workflow_worker.metrics.table import Row
from workflow_worker.monitor.metrics import Exposition
from workflow_worker.monitor.sampler import STALE, Sampler
from workflow_worker.settings import Settings

NOBODY = Settings(redis_url="unix:///nowhere/redis.sock")


class Desk:
    """An exposition over a board with one worker: this very process, or another."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.board = Board.create(4, 4)
        self.sampler = Sampler(NOBODY, lambda: self.now)
        self.metrics = Exposition(NOBODY, self.board, self.sampler, lambda: self.now)

    def worker(self, number: int, pid: int) -> None:
        slot = self.board.slots[number]
        slot.seat(serving=True)
        slot.hand_over(restarted=False)
        slot.inhabited(pid)
        slot.begin("c")
        slot.ready()

    def found(self, row: Row) -> dict[str, float]:
        """The samples of a metric, by the value of its label."""
        return {
            "".join(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.metrics().decode())
            for sample in family.samples
            if sample.name == row.full_name
        }


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has used some processor time, and waits."""
    code = "sum(range(10**7)); print(flush=True); input()"
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.read(1)
        yield process
        process.kill()


def test_a_workers_processor_time_never_goes_back(
    desk: Desk, busy: subprocess.Popen[bytes]
) -> None:
    desk.worker(0, busy.pid)
    living = desk.found(table.CPU)["0"]
    assert living > 0
    busy.kill()
    busy.wait()
    # Reaped, and the master has not added it up yet.
    assert desk.found(table.CPU) == {"0": living}
    desk.board.slots[0].vacated(-9, Restart.DIED, living + 1)
    assert desk.found(table.CPU) == {"0": living + 1}
    desk.worker(0, os.getpid())
    assert desk.found(table.CPU)["0"] >= living + 1


def test_memory_and_heartbeat_are_those_of_the_living(desk: Desk) -> None:
    desk.worker(0, os.getpid())
    desk.worker(2, os.getpid())
    desk.board.slots[2].vacated(0)
    desk.now = desk.board.views()[0].heartbeat + 7
    assert desk.found(table.HEARTBEAT_AGE) == {"0": pytest.approx(7)}
    assert desk.found(table.MEMORY).keys() == {"0"}
    assert desk.found(table.MEMORY)["0"] > 10**6
    # The time of the dead stays: what is gone from a sum would look like a reset.
    assert desk.found(table.CPU).keys() == {"0", "2"}


def test_restarts_are_told_by_reason(desk: Desk) -> None:
    for cause in (Restart.HUNG, Restart.HUNG, Restart.MEMORY):
        desk.board.count_restart(cause)
    assert desk.found(table.RESTARTS) == {
        "died": 0,
        "hung": 2,
        "overdue": 0,
        "events": 0,
        "memory": 1,
    }


def test_workers_are_counted_by_health(desk: Desk) -> None:
    desk.worker(0, os.getpid())
    desk.board.slots[1].seat(serving=True)
    desk.now = desk.board.views()[0].heartbeat
    assert desk.found(table.WORKERS) == {"healthy": 1, "degraded": 0, "unhealthy": 1}


def test_without_redis_there_are_no_figures_and_redis_up_says_why(desk: Desk) -> None:
    assert desk.found(table.REDIS_UP) == {}, "it was not asked yet"
    desk.sampler.ask()
    assert desk.found(table.REDIS_UP) == {"": 0}
    for row in (table.BACKLOG, table.PENDING, table.TIMERS, table.DEAD_LETTERS_STORED):
        assert desk.found(row) == {}


def test_redis_that_answers_nothing_at_all_is_down(desk: Desk) -> None:
    desk.now += STALE + 1
    assert desk.found(table.REDIS_UP) == {"": 0}
