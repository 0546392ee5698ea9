"""What an instance tells the fleet of itself, from a board filled by hand."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from workflow_worker.board import Board, LaneView, Restart, Slot
from workflow_worker.clock import monotonic
from workflow_worker.health import judge
from workflow_worker.monitor.registrar import MOST_RUNNING, Registrar, workers_told
from workflow_worker.settings import Settings
from workflow_worker.version import VERSION


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def board(workers: int, lanes: int) -> Board:
    made = Board.create(workers, lanes)
    made.beat()
    return made


def worker(made: Board, number: int) -> Slot:
    slot = made.slots[number]
    slot.seat(serving=True)
    slot.hand_over(restarted=False)
    slot.inhabited(os.getpid())
    slot.begin(f"c-{number}")
    slot.ready()
    return slot


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return monotonic() + self.ahead


def registrar(made: Board, now: Now | None = None, **more: object) -> Registrar:
    listener = more.get("listener")
    assert listener is None or isinstance(listener, socket.socket)
    settings = Settings(worker_count=2, workflow_app="shop:app")
    return Registrar(settings, made, "i-1", listener, now or Now())


def test_an_instance_tells_who_it_is_and_where_it_answers(
    listener: socket.socket,
) -> None:
    said = registrar(board(1, 1), listener=listener).said()
    assert (said.host, said.pid) == (socket.gethostname(), os.getppid())
    assert (said.version, said.app) == (VERSION, "shop:app")
    assert said.http_address == f"127.0.0.1:{listener.getsockname()[1]}"
    assert registrar(board(1, 1)).said().http_address is None


def test_an_instance_tells_how_it_and_its_workers_fare() -> None:
    made = board(3, 2)
    worker(made, 0).add(succeeded=4, failed=1)
    busy = worker(made, 1)
    busy.add(succeeded=2, ignored=7)
    busy.lane(1).start(1, 0, 1, b"w", b"x")
    dead = worker(made, 2)
    dead.vacated(-9, Restart.DIED)
    made.count_restart(Restart.DIED)
    said = registrar(made).said()
    assert (said.status, said.reasons) == ("degraded", ["worker 2: dead: SIGKILL"])
    assert (said.worker_count, said.healthy_workers) == (3, 2)
    assert (said.degraded_workers, said.unhealthy_workers) == (0, 1)
    assert (said.events_processed, said.events_succeeded) == (7, 6)
    assert (said.events_failed, said.active_events, said.restarts) == (1, 1, 1)
    assert [each.slot for each in said.workers] == [0, 1, 2]
    assert [each.pid for each in said.workers] == [os.getpid(), os.getpid(), None]
    [running] = said.workers[1].running
    assert (running.execution_id, running.workflow, running.action) == ("x", "w", None)


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    made, now = board(1, 1), Now()
    slot = worker(made, 0)
    slot.add(succeeded=1_000)
    telling = registrar(made, now)
    assert telling.said().events_per_second == 0.0
    rates = []
    for _ in range(8):
        now.ahead += 2
        slot.add(succeeded=10)
        rates.append(telling.said().events_per_second)
    assert rates == pytest.approx([5.0] * 8, abs=0.2)
    for _ in range(5):
        now.ahead += 2
        rates.append(telling.said().events_per_second)
    assert rates[-1] == 0.0


def test_of_very_many_busy_threads_those_are_told_that_are_busy_for_longest() -> None:
    made, more = board(3, 1), 30
    now = monotonic()
    lanes = [
        LaneView(n, f"1-{n}", 1, now - n, "w", "", f"0-{n}.w")
        for n in range(MOST_RUNNING + more)
    ]
    for number in range(3):
        worker(made, number)
    views = [
        replace(view, lanes=tuple(lanes[view.index :: 3])) for view in made.views()
    ]
    told, left_out = workers_told(judge(views, made.service(), now, 60_000), now)
    ids = {each.execution_id for one in told for each in one.running}
    assert ids == {f"0-{n}.w" for n in range(more, MOST_RUNNING + more)}
    assert left_out == more
    assert sum(each.active_events for each in told) == MOST_RUNNING + more


def test_threads_busy_for_as_long_are_told_up_to_the_same_limit() -> None:
    made, now = board(1, 1), monotonic()
    worker(made, 0)
    lanes = tuple(
        LaneView(n, f"1-{n}", 1, now - 1, "w", "", f"0-{n}.w")
        for n in range(MOST_RUNNING + 5)
    )
    views = [replace(view, lanes=lanes) for view in made.views()]
    told, left_out = workers_told(judge(views, made.service(), now, 60_000), now)
    assert (len(told[0].running), left_out) == (MOST_RUNNING, 5)
