"""The board: what writers promise to readers, and who survives whom."""

from __future__ import annotations

import math

import pytest

from workflow_worker.board import Board, Counters, Restart, Slot, State


@pytest.fixture
def board() -> Board:
    return Board.create(4, 3)


def tenant(slot: Slot, *, pid: int = 41, consumer: str = "host-1-a") -> Slot:
    slot.seat(serving=True)
    slot.hand_over(restarted=False)
    slot.inhabited(pid)
    slot.begin(consumer)
    return slot


def test_an_empty_board_shows_nobody(board: Board) -> None:
    assert board.views() == ()
    assert board.totals() == Counters()


def test_a_slot_shows_what_its_tenant_wrote(board: Board) -> None:
    slot = tenant(board.slots[2])
    slot.ready()
    slot.redis_down(12.5)
    (view,) = board.views()
    assert (view.index, view.pid, view.state) == (2, 41, State.READY)
    assert (view.consumer, view.redis_down_since) == ("host-1-a", 12.5)
    assert view.started_ms > 0
    assert view.heartbeat >= view.forked_at > 0


def test_a_heartbeat_moves_forward(board: Board) -> None:
    slot = tenant(board.slots[0])
    before = slot.view().heartbeat
    slot.beat()
    assert slot.view().heartbeat > before


@pytest.mark.parametrize("number", range(3))
def test_a_busy_lane_shows_the_entry_and_where_it_is(board: Board, number: int) -> None:
    slot = tenant(board.slots[1])
    lane = slot.lane(number)
    lane.start(1700000000000, 2**64 - 1, 3, b"fulfil", b"0-1-0.fulfil")
    lane.acting(b"charge")
    (view,) = slot.view().lanes
    assert view.entry == f"1700000000000-{2**64 - 1}"
    assert (view.lane, view.deliveries) == (number, 3)
    assert (view.workflow, view.action) == ("fulfil", "charge")
    assert view.execution_id == "0-1-0.fulfil"
    assert view.since > 0


def test_a_cleared_lane_is_not_active(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.lane(0).start(1, 0, 1, b"w", b"x")
    slot.lane(1).start(2, 0, 1, b"w", b"y")
    slot.lane(0).clear()
    view = slot.view()
    assert view.active == 1
    assert view.lanes[0].entry == "2-0"


def test_the_next_event_does_not_show_the_last_action(board: Board) -> None:
    lane = tenant(board.slots[0]).lane(0)
    lane.start(1, 0, 1, b"w", b"x")
    lane.acting(b"charge")
    lane.clear()
    lane.start(2, 0, 1, b"w", b"y")
    assert board.slots[0].view().lanes[0].action == ""


def test_a_lane_shows_which_action_and_until_when(board: Board) -> None:
    slot = tenant(board.slots[1])
    lane = slot.lane(1)
    lane.start(1, 0, 1, b"w", b"x", 50.0)
    (view,) = slot.view().lanes
    assert (view.ordinal, view.deadline) == (0, 50.0)
    lane.acting(b"charge", 7, 20.0)
    (view,) = slot.view().lanes
    assert (view.action, view.ordinal, view.deadline) == ("charge", 7, 20.0)
    assert (view.workflow, view.execution_id) == ("w", "x")
    lane.extend(30.0)
    (view,) = slot.view().lanes
    assert (view.action, view.ordinal, view.deadline) == ("charge", 7, 30.0)


def test_the_next_event_has_neither_ordinal_nor_deadline_of_the_last(
    board: Board,
) -> None:
    lane = tenant(board.slots[0]).lane(0)
    lane.start(1, 0, 1, b"w", b"x", 50.0)
    lane.acting(b"charge", 7, 20.0)
    lane.start(2, 0, 1, b"w", b"y")
    (view,) = board.slots[0].view().lanes
    assert (view.ordinal, view.deadline) == (0, 0.0)
    assert board.slots[0].deadlines() == []


def test_only_what_is_past_its_deadline_is_overdue(board: Board) -> None:
    slot = tenant(board.slots[0])
    for number, deadline in enumerate((10.0, 0.0, 30.0)):
        slot.lane(number).start(number, 0, 1, b"w", b"x", deadline)
    assert slot.deadlines() == [10.0, 30.0]
    assert slot.overdue(9.9) == ()
    assert [lane.entry for lane in slot.overdue(10.0)] == ["0-0"]
    assert [lane.entry for lane in slot.overdue(math.inf)] == ["0-0", "2-0"]


def test_a_cleared_lane_is_never_overdue(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.lane(0).start(1, 0, 1, b"w", b"x", 10.0)
    slot.lane(0).clear()
    slot.lane(0).extend(5.0)
    assert slot.deadlines() == []
    assert slot.overdue(math.inf) == ()


def test_a_lane_being_written_is_not_overdue(board: Board) -> None:
    slot = tenant(board.slots[0])
    torn = slot.lane(0)
    torn.start(1, 0, 1, b"w", b"x", 10.0)
    slot.lane(1).start(2, 0, 1, b"w", b"y", 10.0)
    torn._ints[torn._word] += 1
    assert [lane.entry for lane in slot.overdue(11.0)] == ["2-0"]
    torn._ints[torn._word] += 1
    assert [lane.entry for lane in slot.overdue(11.0)] == ["1-0", "2-0"]


def test_the_dead_s_deadlines_are_not_their_successor_s(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.lane(0).start(1, 0, 1, b"w", b"x", 10.0)
    slot.vacated(-9)
    slot.hand_over(restarted=True)
    slot.inhabited(42)
    assert slot.deadlines() == []
    assert slot.overdue(math.inf) == ()


def test_an_event_and_the_action_beside_it_are_one_active_event(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.lane(0).start(1, 0, 1, b"w", b"x")
    slot.lane(1).start(2, 0, 1, b"w", b"y")
    slot.lane(2).start(1, 0, 1, b"w", b"x")
    view = slot.view()
    assert len(view.lanes) == 3
    assert view.active == 2


def test_a_flooded_workflow_shows_until_it_is_over(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.flooded("fulfil-orders")
    slot.flooded("bill")
    assert slot.view().flooded == "bill"
    slot.flooded("")
    assert slot.view().flooded == ""


def test_a_flood_ends_with_its_worker(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.flooded("bill")
    slot.vacated(-9)
    assert slot.view().flooded == ""
    tenant(slot, pid=42)
    assert slot.view().flooded == ""


def test_a_shorter_name_leaves_nothing_of_a_longer_one(board: Board) -> None:
    lane = tenant(board.slots[0]).lane(0)
    lane.start(1, 0, 1, b"a-long-workflow", b"0-1-0.a-long-workflow")
    lane.start(2, 0, 1, b"w", b"x")
    (view,) = board.slots[0].view().lanes
    assert (view.workflow, view.execution_id) == ("w", "x")


def test_what_is_too_long_is_cut_between_characters_and_says_so(board: Board) -> None:
    lane = tenant(board.slots[0]).lane(0)
    lane.start(1, 0, 1, "é".encode() * 100, ("x" + "ü" * 200).encode())
    (view,) = board.slots[0].view().lanes
    assert view.workflow == "é" * 32 + "…"
    assert view.execution_id == "x" + "ü" * 79 + "…"


def test_what_just_fits_is_not_marked_as_cut(board: Board) -> None:
    lane = tenant(board.slots[0]).lane(0)
    lane.start(1, 0, 1, b"w" * 64, b"x" * 160)
    (view,) = board.slots[0].view().lanes
    assert (view.workflow, view.execution_id) == ("w" * 64, "x" * 160)


def test_a_long_name_does_not_spill_into_the_neighbour(board: Board) -> None:
    slot = tenant(board.slots[0], consumer="c" * 500)
    slot.flooded("f" * 500)
    slot.lane(1).start(7, 0, 1, b"w", b"neighbour")
    slot.lane(0).start(1, 0, 1, b"w" * 500, b"x" * 500)
    slot.lane(0).acting(b"a" * 500, 3, 9.0)
    view = slot.view()
    assert view.consumer == "c" * 128
    assert view.flooded == "f" * 64
    assert (view.lanes[0].ordinal, view.lanes[0].workflow) == (3, "w" * 64 + "…")
    assert view.lanes[1].execution_id == "neighbour"
    assert view.lanes[0].execution_id.startswith("xxx")


def test_lanes_beyond_the_board_are_refused(board: Board) -> None:
    with pytest.raises(IndexError):
        board.slots[0].lane(3)


def test_counters_survive_the_worker(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.add(succeeded=2, failed=1)
    slot.vacated(-9)
    slot.hand_over(restarted=True)
    slot.inhabited(42)
    slot.begin("next")
    slot.add(succeeded=1)
    assert slot.view().counters == Counters(succeeded=3, failed=1)


def test_every_counter_has_its_own_place(board: Board) -> None:
    tenant(board.slots[0]).add(
        succeeded=1,
        failed=2,
        retried=3,
        suspended=4,
        ignored=5,
        dead_letters=6,
        leases_lost=7,
    )
    assert board.totals() == Counters(1, 2, 3, 4, 5, 6, 7)


def test_what_the_dead_took_of_the_processor_adds_up(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.vacated(-9, Restart.HUNG, 2.5)
    tenant(slot, pid=42)
    slot.vacated(0, Restart.EVENTS, 1.5)
    view = slot.view()
    assert (view.cpu_seconds, view.cause) == (4.0, Restart.EVENTS)


def test_how_a_tenant_fares_lately_goes_with_it(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.recently(20, 3)
    slot.saturated(7.0)
    view = slot.view()
    assert (view.recent_runs, view.recent_errors, view.saturated_since) == (20, 3, 7.0)
    view = tenant(slot, pid=42).view()
    assert (view.recent_runs, view.recent_errors, view.saturated_since) == (0, 0, 0.0)


def test_totals_include_slots_that_nobody_has_any_more(board: Board) -> None:
    for slot in board.slots:
        tenant(slot).add(succeeded=2)
    board.slots[0].seat(serving=False)
    board.slots[0].vacated(0)
    assert len(board.views()) == 3
    assert board.totals() == Counters(succeeded=8)


def test_a_successor_not_begun_shows_nothing_of_the_dead(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.ready()
    slot.redis_down(3.0)
    slot.lane(0).start(1, 0, 1, b"w", b"x")
    slot.vacated(-9)
    slot.hand_over(restarted=True)
    slot.inhabited(42)
    view = slot.view()
    assert (view.state, view.pid, view.consumer) == (State.STARTING, 42, "")
    assert (view.lanes, view.ready_at, view.redis_down_since) == ((), 0.0, 0.0)
    assert view.heartbeat == view.forked_at


def test_a_new_tenant_clears_the_lanes_of_the_dead(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.lane(2).start(1, 0, 1, b"w", b"x")
    slot.vacated(-9)
    tenant(slot, pid=42)
    slot.lane(2)
    assert slot.view().lanes == ()


def test_an_unburied_tenant_still_shows_what_it_ran(board: Board) -> None:
    # The master reads this after the death and before the slot goes to the next.
    slot = tenant(board.slots[0])
    slot.lane(0).start(5, 1, 1, b"w", b"x")
    assert [lane.entry for lane in slot.view().lanes] == ["5-1"]


def test_a_vacant_slot_is_free_and_tells_how_the_last_one_ended(board: Board) -> None:
    slot = tenant(board.slots[0])
    slot.ready()
    slot.vacated(-11)
    slot.backs_off(4, 99.0)
    view = slot.view()
    assert (view.state, view.pid, view.exit_status) == (State.FREE, 0, -11)
    assert (view.streak, view.retry_at) == (4, 99.0)


def test_a_write_cut_off_by_death_neither_hangs_nor_hides_the_rest(
    board: Board,
) -> None:
    slot = tenant(board.slots[0])
    torn = slot.lane(0)
    torn.start(1, 0, 1, b"w", b"torn")
    torn._ints[torn._word] += 1
    slot.lane(1).start(2, 0, 1, b"w", b"whole")
    assert [lane.execution_id for lane in slot.view().lanes] == ["torn", "whole"]


def test_a_thread_s_next_event_heals_a_write_that_was_cut_off(board: Board) -> None:
    slot = tenant(board.slots[0])
    torn = slot.lane(0)
    torn._ints[torn._word] += 1
    tenant(slot, pid=42)
    slot.lane(0).start(1, 0, 1, b"w", b"x")
    assert slot.lane(0)._ints[torn._word] % 2 == 0


def test_what_the_master_looks_at_each_round_is_what_a_view_shows(board: Board) -> None:
    slot = board.slots[0]
    slot.hand_over(restarted=False)
    slot.inhabited(41)
    assert (slot.state, slot.busy()) == (State.STARTING, 0)
    assert slot.heartbeat == slot.view().forked_at
    slot.begin("host-1-a")
    slot.ready()
    for number in (0, 2):
        slot.lane(number).start(1, number, 1, b"w", b"x")
    assert (slot.state, slot.busy(), slot.busy(2)) == (State.READY, 2, 1)
    assert slot.heartbeat == slot.view().heartbeat
    slot.hand_over(restarted=True)
    assert (slot.state, slot.busy()) == (State.STARTING, 0)


def test_the_master_s_word_reaches_readers(board: Board) -> None:
    board.beat()
    for cause in Restart:
        for _ in range(cause):
            board.count_restart(cause)
    board.stopping()
    service = board.service()
    assert dict(service.replaced) == {cause: cause.value for cause in Restart}
    assert service.restarts == Restart.DIED + Restart.HUNG + Restart.OVERDUE
    assert service.stopping
    assert service.beat > 0
