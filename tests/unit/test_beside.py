"""Threads beside the pool: each shows on a lane of its own what it does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.servers import wait_until
from workflow_worker.board import Board, Slot
from workflow_worker.worker.beside import Beside

THREADS = 2


@pytest.fixture
def slot() -> Slot:
    slot = Board.create(1, 2 * THREADS).slots[0]
    slot.hand_over(restarted=False)
    slot.inhabited(41)
    slot.begin("c")
    for number in range(THREADS):
        slot.lane(number)
    return slot


@pytest.fixture
def release() -> Iterator[threading.Event]:
    release = threading.Event()
    yield release
    release.set()


def shown(slot: Slot) -> dict[int, str]:
    return {lane.lane: lane.action for lane in slot.view().lanes}


def test_each_thread_has_a_lane_after_those_of_the_pool(
    slot: Slot, release: threading.Event
) -> None:
    beside = Beside(THREADS, slot)

    def work() -> None:
        beside.lane().start(1, 0, 1, b"w", b"x")
        beside.lane().acting(b"charge", 3)
        release.wait(20)

    for _ in range(3):
        beside.run(work)
    both = {2: "charge", 3: "charge"}
    wait_until(lambda: shown(slot) == both)
    release.set()
    wait_until(lambda: not shown(slot))


def test_the_lane_shows_nothing_once_the_work_ended(
    slot: Slot, release: threading.Event
) -> None:
    beside = Beside(1, slot)
    waits = threading.Event()

    def next_one() -> None:
        waits.set()
        release.wait(20)

    beside.run(lambda: beside.lane().start(1, 0, 1, b"w", b"x", 9.0))
    beside.run(next_one)
    assert waits.wait(20)
    assert shown(slot) == {}
    assert slot.deadlines() == []


def test_nobody_else_has_such_a_lane(slot: Slot) -> None:
    with pytest.raises(AttributeError):
        Beside(THREADS, slot).lane()
