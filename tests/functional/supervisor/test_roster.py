"""The roster over real processes that do nothing: whom it kills, and what it leaves."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.servers import wait_until
from workflow_worker.board import Board, Lane, Restart, Slot
from workflow_worker.board.views import DEATHS
from workflow_worker.clock import monotonic
from workflow_worker.model import Overdue, Predecessor
from workflow_worker.settings import Settings
from workflow_worker.supervisor.child import reap
from workflow_worker.supervisor.recycle import HEIRS, Recycling
from workflow_worker.supervisor.roster import Roster
from workflow_worker.supervisor.swap import Swap


class Stage:
    """A roster of one seat."""

    def __init__(self) -> None:
        self.roster = Roster(Board.create(4, 4))
        self.told: list[tuple[Predecessor, ...]] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.roster.resize(1, 0.0)
        self.fill()

    @property
    def slot(self) -> Slot:
        return self.roster.seats[0].slot

    def fill(self) -> None:
        """Have the seat filled, if it is due."""
        self.roster.fill(self._fork, monotonic())

    def _fork(self, slot: Slot, predecessors: tuple[Predecessor, ...]) -> int:
        self.told.append(predecessors)
        self.processes.append(subprocess.Popen(["sleep", "600"]))
        slot.begin(f"consumer-{len(self.told)}")
        return self.processes[-1].pid

    def press(self) -> None:
        self.roster.press(monotonic())

    def end_with_status_0(self) -> None:
        self.processes[-1].kill()
        self.processes[-1].wait()
        self.roster.ended(self.processes[-1].pid, 0)

    def reap(self) -> int:
        """Wait for the worker's end."""
        process = self.processes[-1]
        status = process.wait(20)
        self.roster.ended(process.pid, status)
        return status


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for process in stage.processes:
        process.kill()
        process.wait()


def late(slot: Slot, number: int = 0) -> Lane:
    """Run an action on a lane that is overdue already."""
    lane = slot.lane(number)
    lane.start(7, number, 1, b"orders", b"0-7-0.orders")
    lane.acting(b"charge", 3, monotonic() - 1)
    return lane


def test_what_is_still_overdue_when_the_worker_is_reaped_is_left_to_the_next(
    stage: Stage,
) -> None:
    late(stage.slot)
    stage.press()
    assert stage.reap() == -9
    stage.fill()
    assert stage.told[-1] == (
        Predecessor(
            "consumer-1",
            ("7-0",),
            ordered=True,
            exit="SIGKILL",
            overdue=(Overdue("7-0", 3, "charge"),),
        ),
    )


def goes_on_with_another_event(lane: Lane) -> None:
    lane.start(8, 0, 1, b"orders", b"0-8-0.orders", monotonic() - 1)


def goes_on_with_another_action(lane: Lane) -> None:
    lane.acting(b"ship", 4, monotonic() - 1)


def shows_that_it_is_alive(lane: Lane) -> None:
    lane.extend(monotonic() + 60)


def ends(lane: Lane) -> None:
    lane.clear()


@pytest.mark.parametrize(
    "move",
    [
        goes_on_with_another_event,
        goes_on_with_another_action,
        shows_that_it_is_alive,
        ends,
    ],
)
def test_what_went_on_before_the_blow_fell_was_not_overdue(
    stage: Stage, move: Callable[[Lane], None]
) -> None:
    lane = late(stage.slot)
    late(stage.slot, 1)
    stage.press()
    move(lane)
    stage.reap()
    stage.fill()
    (dead,) = stage.told[-1]
    assert dead.ordered
    assert dead.overdue == (Overdue("7-1", 3, "charge"),)


def test_what_becomes_overdue_after_the_decision_was_not_its_reason(
    stage: Stage,
) -> None:
    late(stage.slot)
    stage.press()
    late(stage.slot, 1)
    stage.reap()
    stage.fill()
    (dead,) = stage.told[-1]
    assert dead.started == ("7-0", "7-1")
    assert dead.overdue == (Overdue("7-0", 3, "charge"),)


def test_nobody_is_killed_twice(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    late(stage.slot)
    stage.press()
    stage.press()
    assert caplog.text.count("is killed") == 1
    assert stage.roster.next_due() == math.inf


def test_any_number_of_overdue_events_is_no_crash_loop(stage: Stage) -> None:
    for number in range(1, 6):
        late(stage.slot)
        stage.press()
        stage.reap()
        stage.fill()
        assert len(stage.told) == number + 1, "it starts at once"
    view = stage.slot.view()
    assert view.streak == 0
    assert view.restarted_at > 0
    assert stage.roster.board.service().restarts == 5


def test_a_worker_that_dies_by_itself_is_still_the_start_of_a_crash_loop(
    stage: Stage,
) -> None:
    os.kill(stage.processes[-1].pid, 11)
    stage.reap()
    assert stage.slot.view().streak == 1
    stage.fill()
    (dead,) = stage.told[-1]
    assert (dead.exit, dead.ordered, dead.overdue) == ("SIGSEGV", False, ())


def test_the_master_sleeps_no_longer_than_until_the_next_deadline(
    stage: Stage,
) -> None:
    deadline = monotonic() + 60
    stage.slot.lane(0).start(1, 0, 1, b"w", b"x", deadline + 1)
    stage.slot.lane(1).start(2, 0, 1, b"w", b"y", deadline)
    stage.press()
    assert stage.roster.next_due() == deadline
    stage.slot.lane(0).clear()
    stage.slot.lane(1).clear()
    stage.press()
    assert stage.roster.next_due() == math.inf


def test_a_lane_stuck_in_a_write_keeps_the_master_from_neither_sleep_nor_the_others(
    stage: Stage,
) -> None:
    torn = late(stage.slot)
    torn._ints[torn._word] += 1
    stage.press()
    before = monotonic()
    stage.press()
    assert stage.roster.next_due() > before
    assert stage.processes[-1].poll() is None
    late(stage.slot, 1)
    stage.press()
    assert stage.reap() == -9
    stage.fill()
    (dead,) = stage.told[-1]
    assert dead.overdue == (Overdue("7-1", 3, "charge"),)


def test_a_replacement_is_told_of_all_that_died_one_after_the_other(
    stage: Stage,
) -> None:
    """The one in between may not have come to run what it had adopted."""
    for number in (1, 2):
        stage.slot.ready()
        stage.slot.lane(0).start(number, 0, 1, b"w", b"x", 0.0)
        stage.processes[-1].kill()
        stage.reap()
        stage.fill()
    assert [dead.consumer for dead in stage.told[-1]] == ["consumer-2", "consumer-1"]
    assert [dead.started for dead in stage.told[-1]] == [("2-0",), ("1-0",)]


def test_what_one_without_a_seat_left_is_the_next_heir_s(stage: Stage) -> None:
    """As one that was retired, and dies while it drains."""
    stage.slot.ready()
    stage.slot.lane(0).start(1, 0, 1, b"w", b"x", 0.0)
    stage.roster.resize(2, 0.0)
    stage.fill()
    stage.roster.resize(1, 60.0)
    stage.roster.seats[0].slot.ready()
    stage.roster.workers[stage.processes[1].pid].slot.ready()
    stage.processes[1].kill()
    stage.reap()
    assert [dead.consumer for dead in stage.roster.estate] == ["consumer-2"]
    stage.processes[0].kill()
    stage.processes[0].wait()
    stage.roster.ended(stage.processes[0].pid, -9)
    stage.fill()
    told = [dead.consumer for dead in stage.told[-1]]
    assert told == ["consumer-1", "consumer-2"]
    assert stage.roster.estate == ()


def test_a_newcomer_of_a_reload_is_no_heir(stage: Stage) -> None:
    stage.roster.estate = (Predecessor("dead", ("1-0",)),)
    (seat,) = stage.roster.seats
    for heir, told in ((False, ()), (True, stage.roster.estate)):
        Swap(stage.roster, seat, stage._fork, 1.0, heir=heir).step(monotonic())
        assert stage.told[-1] == told


def test_heirs_that_can_t_start_are_given_up_in_the_end(stage: Stage) -> None:
    def refuse(slot: Slot, predecessors: tuple[Predecessor, ...]) -> int:
        raise OSError(errno.EAGAIN, "no room for a process")

    stage.slot.ready()
    stage.roster.estate = (Predecessor("dead", ("1-0",)),)
    recycling = Recycling(stage.roster)
    for minute in range(HEIRS):
        assert stage.roster.estate
        recycling.step(Settings(), refuse, monotonic() + 60 * minute)
    assert stage.roster.estate == ()


def test_what_a_vacant_seat_that_is_given_up_had_inherited_is_kept(
    stage: Stage,
) -> None:
    stage.roster.resize(2, 0.0)
    stage.fill()
    stage.roster.seats[1].slot.ready()
    stage.processes[1].kill()
    stage.reap()
    stage.roster.resize(1, 0.0)
    assert [dead.consumer for dead in stage.roster.estate] == ["consumer-2"]


def test_a_newcomer_that_never_was_ready_needs_no_heir(stage: Stage) -> None:
    slot = stage.roster.free_slot()
    assert slot
    stage.roster.start(slot, stage._fork)
    stage.processes[-1].kill()
    stage.reap()
    assert stage.roster.estate == ()


def test_who_ends_as_if_all_were_well_but_did_not_drain_has_died(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """As where code of the user calls os._exit(0)."""
    stage.slot.ready()
    stage.slot.lane(0).start(1, 0, 1, b"w", b"x", 0.0)
    stage.end_with_status_0()
    stage.fill()
    [dead] = stage.told[-1]
    assert (dead.started, dead.exit) == (("1-0",), "exit status 0")
    assert stage.roster.board.service().replaced[Restart.DIED] == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_who_drained_leaves_nothing(stage: Stage) -> None:
    stage.slot.ready()
    stage.slot.stopped()
    stage.end_with_status_0()
    stage.fill()
    assert stage.told[-1] == ()
    assert stage.roster.board.service().replaced[Restart.DIED] == 0


def test_who_only_took_note_of_how_the_last_one_ended_had_not_begun(
    stage: Stage,
) -> None:
    stage.slot.ready()
    stage.slot.lane(0).start(1, 0, 0, b"w", b"x", 0.0)
    stage.slot.lane(1).start(2, 0, 1, b"w", b"x", 0.0)
    stage.processes[-1].kill()
    stage.reap()
    stage.fill()
    [dead] = stage.told[-1]
    assert dead.started == ("2-0",)


def test_why_a_worker_was_replaced_is_on_the_board(stage: Stage) -> None:
    late(stage.slot)
    stage.press()
    stage.reap()
    assert stage.slot.view().cause is Restart.OVERDUE
    for cause in (Restart.DIED, Restart.HUNG):
        stage.roster.revive()
        stage.fill()
        if cause is Restart.HUNG:
            stage.roster.strike(next(iter(stage.roster.workers.values())), cause)
        else:
            stage.processes[-1].kill()
        stage.reap()
        assert stage.slot.view().cause is cause
    replaced = stage.roster.board.service().replaced
    assert [replaced[cause] for cause in DEATHS] == [1, 1, 1]


def test_processor_time_of_the_dead_adds_up(stage: Stage) -> None:
    for total in (1.5, 3.0):
        stage.processes[-1].kill()
        stage.processes[-1].wait()
        stage.roster.ended(stage.processes[-1].pid, -9, 1.5)
        assert stage.slot.view().cpu_seconds == total
        stage.roster.revive()
        stage.fill()


def test_who_is_reaped_is_known_by_how_it_ended_and_what_it_cost() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\nraise SystemExit(3)"
    process = subprocess.Popen([sys.executable, "-c", burn])
    ((pid, status, cpu_seconds),) = wait_until(lambda: list(reap([process.pid])))
    process.returncode = status
    assert (pid, status) == (process.pid, 3)
    assert 0.2 <= cpu_seconds < 5
