"""The board between real processes."""

from __future__ import annotations

import os

from workflow_worker.board import Board, Slot

ROUNDS = 50_000


def write(slot: Slot) -> None:
    lane = slot.lane(0)
    for number in range(1, ROUNDS + 1):
        name = str(number).encode()
        sum(range(200))  # events are not back to back: readers get a look in
        lane.start(number, number, number, name, name, float(number))
        lane.acting(name, number, float(number))


def test_a_reader_never_sees_half_an_event() -> None:
    slot = Board.create(1, 1).slots[0]
    slot.hand_over(restarted=False)
    slot.inhabited(1)
    slot.begin("c")
    slot.lane(0)
    pid = os.fork()
    if not pid:
        try:
            write(slot)
        finally:
            os._exit(0)
    last, seen = 0, 0
    while last < ROUNDS:
        for view in slot.view().lanes:
            seen += view.deliveries > last
            last = view.deliveries
            assert view.entry == f"{last}-{last}"
            assert view.workflow == view.execution_id == str(last)
            assert view.deadline == float(last)
            assert (view.action, view.ordinal) in ((str(last), last), ("", 0))
    assert os.waitpid(pid, 0)[1] == 0
    assert seen > 1


def test_a_reader_never_sees_a_seat_on_the_move() -> None:
    board = Board.create(2, 1)
    here, there = board.slots
    here.seat(serving=True)
    pid = os.fork()
    if not pid:
        try:
            for number in range(ROUNDS // 10):
                with board.arranging():
                    (here, there)[number % 2].seat(serving=False)
                    (there, here)[number % 2].seat(serving=True)
                sum(range(10_000))  # seats move seldom: readers get a look in
        finally:
            os._exit(0)
    while not os.waitpid(pid, os.WNOHANG)[0]:
        assert sum(view.serving for view in board.views()) == 1
