"""Suspended: nothing is held but a record; a signal or the timer makes one wake."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.functional.broker.conftest import (
    DONE,
    PARTITION,
    Database,
    Hand,
    received,
    suspended,
)
from workflow_worker.broker.journal import Appended
from workflow_worker.model import Decision, Emission, Outcome, Task, Wait

pytestmark = pytest.mark.usefixtures("books")
MINUTE = 60_000


def stale(task: Task) -> Task:
    """The task as it was before its last commit."""
    assert task.record is not None
    record = msgspec.structs.replace(task.record, step=task.record.step - 1)
    return msgspec.structs.replace(task, record=record)


# --- what is left behind ----------------------------------------------------------


def test_it_leaves_a_record_and_nothing_in_the_stream(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    wait = suspended(1, "step", "other", state="asking", data=b'{"a":1}', version="7")
    assert hand.commit(task, decision=wait) == [True]
    record = base.record(task.execution_id)
    assert (record["status"], record["step"], record["wait"]) == ("waiting", "1", "1")
    assert (record["state"], record["data"]) == ("asking", '{"a":1}')
    assert (record["names"], record["version"]) == ("\0step\0other\0", "7")
    assert "due" not in record
    assert (base.backlog(), base.pending(), base.timers()) == (0, 0, {})


def test_what_has_ended_says_nothing_of_its_wait(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "step", key="k", delay_ms=MINUTE)
    base.signal("step", 1, key="k")
    hand.take()
    hand.commit(hand.begin(), decision=Decision(Outcome.COMPLETED, b"1"))
    record = base.record(waiting)
    assert record["status"] == "completed"
    assert not {"wait", "names", "due"} & record.keys()


def test_one_that_had_no_record_gets_one_with_its_event(base: Database) -> None:
    hand = base.hand()
    base.add("go", key="k", payload='{"a":1}', headers='{"h":1}')
    task = hand.begin()
    hand.commit(task, decision=suspended(1, delay_ms=MINUTE, entries=(b"1",)))
    record = base.record(task.execution_id)
    assert (record["e:payload"], record["key"]) == ('{"a":1}', "k")
    wake = base.hand("b", ahead_ms=MINUTE + 1).begin()
    assert wake.event is not None
    assert task.event is not None
    assert msgspec.structs.replace(
        wake.event, published_ms=0
    ) == msgspec.structs.replace(task.event, published_ms=0)


def test_the_event_counts_once_at_the_first_commit(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.commit(task, decision=suspended(1, "step"))
    counted = base.stats()
    assert (counted["events_succeeded"], counted["executions_started"]) == (1, 1)
    base.signal("step", 1, key="k")
    hand.take()
    wake = hand.begin()
    assert not wake.counts
    hand.append(wake, b"1", consumed=("step",))
    hand.commit(wake, decision=Decision(Outcome.COMPLETED, journaled=1))
    stats = base.stats()
    assert stats["events_succeeded"] == 2, "the start and the signal"
    assert (stats["executions_started"], stats["executions_completed"]) == (1, 1)


def test_a_former_owner_suspends_nothing(base: Database) -> None:
    former, owner = base.hand("a"), base.hand("b")
    task = base.open(former)
    [again] = owner.claim()
    wait = suspended(
        1, "step", delay_ms=MINUTE, entries=(b"1",), emits=(Emission("go", b"{}"),)
    )
    assert former.commit(task, decision=wait) == [False]
    assert base.record(task.execution_id)["status"] == "running"
    assert (base.timers(), base.backlog()) == ({}, 1)
    assert owner.commit(again, decision=wait) == [True]
    assert base.backlog() == 1, "the emitted event"


def test_every_commit_raises_the_step_and_an_earlier_one_is_refused(
    base: Database,
) -> None:
    hand = base.hand()
    base.waiting(hand)
    for step in (1, 2, 3):
        base.signal("step", step, key="k")
        hand.take()
        wake = hand.begin()
        assert wake.record is not None
        assert wake.record.step == step
        more = suspended(step + 1, "step", entries=(b"%d" % step,), journaled=step - 1)
        more = msgspec.structs.replace(more, consumed=("step",))
        assert hand.commit(stale(wake), decision=more) == [False]
        assert hand.append(stale(wake), b"x", at=step - 1) is Appended.LOST
        assert hand.commit(wake, decision=more) == [True]


def test_a_server_that_forgot_its_scripts_suspends_and_wakes(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    base.client.script_flush()
    hand.commit(task, decision=suspended(1, "step", delay_ms=MINUTE))
    base.client.script_flush()
    assert base.hand("b", ahead_ms=MINUTE + 1).begin().execution_id == task.execution_id


# --- wakes ------------------------------------------------------------------------


def test_the_wake_brings_record_journal_and_inbox(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.append(task, b"1", b"2")
    more = suspended(3, "step", journaled=2, entries=(b"3",), state="s", version="7")
    hand.commit(task, decision=more)
    base.signal("step", 1, key="k")
    hand.take()
    wake = hand.begin()
    assert wake.journal == (b"1", b"2", b"3")
    assert received(wake) == [("step", '{"n":1}')]
    assert wake.record is not None
    assert (wake.record.status, wake.record.step) == ("running", 1)
    assert (wake.record.state, wake.record.version) == ("s", "7")
    assert (wake.workflow, wake.whole, wake.count) == ("s", True, 1)
    assert wake.event is not None
    assert (wake.event.name, wake.event.key) == ("open", "k")


def test_a_match_that_is_there_already_wakes_at_once(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    for number in range(2):
        base.signal("step", number, key="k")
    hand.take()
    hand.commit(task, decision=suspended(1, "other", "step", delay_ms=MINUTE))
    assert base.wakes() == [task.execution_id]
    assert base.record(task.execution_id)["status"] == "running"
    assert len(hand.begin().inbox) == 2


def test_what_is_not_awaited_does_not_wake(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    base.signal("other", 1, key="k")
    hand.take()
    hand.commit(task, decision=suspended(1, "step"))
    assert base.record(task.execution_id)["status"] == "waiting"


def test_a_name_is_awaited_as_a_whole(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "ste", "other-step")
    base.signal("step", 1, key="k")
    hand.take()
    assert base.record(waiting)["status"] == "waiting"


def test_a_wake_of_a_dead_worker_is_claimed_like_anything(base: Database) -> None:
    hand, owner = base.hand("a"), base.hand("b")
    base.waiting(hand)
    base.signal("step", 1, key="k")
    hand.take()
    wake = hand.begin()
    [again] = owner.claim()
    assert (again.execution_id, again.count) == (wake.execution_id, 2)
    assert received(again) == received(wake)
    entry: dict[str, Any] = {"entries": (b"1",), "consumed": ("step",)}
    assert hand.commit(wake, decision=suspended(2, "step", **entry)) == [False]
    assert hand.append(wake, b"1", consumed=("step",)) is Appended.LOST
    assert owner.commit(again, decision=suspended(2, "step", **entry)) == [True]
    assert base.stats()["signals_consumed"] == 1


@pytest.mark.parametrize("delay_ms", [0, 1000])
def test_a_wake_put_back_stays_the_one_wake(base: Database, delay_ms: int) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.signal("step", 1, key="k")
    hand.take()
    hand.requeue(hand.begin(), delay_ms=delay_ms)
    assert base.record(waiting)["status"] == "running"
    base.signal("step", 2, key="k")
    assert base.wakes() == ([] if delay_ms else [waiting])
    later = base.hand("b", ahead_ms=2 * delay_ms)
    [wake] = later.take(1) or later.take(2)
    assert (wake.execution_id, wake.count, wake.deliveries) == (waiting, 1, 1)
    assert wake.waited_ms >= delay_ms
    assert wake.journal == ()
    assert later.commit(wake) == [True]
    hand.take()


def test_a_wake_of_what_has_ended_is_dropped(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.client.xadd(PARTITION.events, {"_wake": waiting})
    base.client.xadd(PARTITION.events, {"_wake": "0-nobody.s"})
    assert hand.take() == []
    assert (base.backlog(), base.pending()) == (0, 0)


# --- timers -----------------------------------------------------------------------


def due_of(base: Database, execution_id: str) -> int:
    due = base.timers()[f"w:{execution_id}"]
    assert base.record(execution_id)["due"] == str(due)
    return due


def test_the_end_of_a_wait_wakes_and_says_so(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "step", delay_ms=MINUTE)
    taken = hand.taken()
    assert taken.tasks == []
    assert 0 < taken.next_timer_ms <= MINUTE
    later = base.hand("b", ahead_ms=MINUTE + 1)
    wake = later.begin()
    assert wake.record is not None
    assert (wake.execution_id, wake.record.fired) == (waiting, 1)
    assert (base.timers(), later.take()) == ({}, [])


def test_a_sleep_has_no_names_and_ends(base: Database) -> None:
    hand = base.hand()
    base.add("go")
    task = hand.begin()
    hand.commit(task, decision=suspended(3, delay_ms=MINUTE))
    wake = base.hand("b", ahead_ms=MINUTE + 1).begin()
    assert wake.record is not None
    assert (wake.execution_id, wake.record.fired) == (task.execution_id, 3)


def test_a_wait_until_a_given_time(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    due_ms = hand.taken().server_ms + MINUTE
    wait = Decision(Outcome.SUSPENDED, wait=Wait(1, due_ms=due_ms))
    hand.commit(task, decision=wait)
    assert due_of(base, task.execution_id) == due_ms


def test_a_time_gone_by_fires_at_once(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.commit(task, decision=Decision(Outcome.SUSPENDED, wait=Wait(1, due_ms=5)))
    assert hand.begin().execution_id == task.execution_id


def test_the_timer_of_a_wait_that_a_signal_ended_does_nothing(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, "step", delay_ms=MINUTE)
    base.signal("step", 1, key="k")
    hand.take()
    wake = hand.begin()
    later = base.hand("b", ahead_ms=MINUTE + 1)
    assert (later.take(), base.wakes()) == ([], [wake.execution_id])
    [again] = later.claim()
    assert again.record is not None
    assert again.record.fired == 0
    later.commit(again, decision=suspended(2, "step"))
    assert base.record(wake.execution_id)["status"] == "running", "not consumed"


def test_the_next_wait_has_no_timer_unless_it_asks_for_one(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "step", delay_ms=MINUTE)
    base.signal("step", 1, key="k")
    hand.take()
    gone: dict[str, Any] = {"entries": (b"1",), "consumed": ("step",)}
    hand.commit(hand.begin(), decision=suspended(2, "step", **gone))
    assert base.timers() == {}
    assert "due" not in base.record(waiting)


def test_the_next_wait_has_a_time_of_its_own(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=1000)
    waiting = base.waiting(hand, "step", delay_ms=MINUTE)
    first = due_of(base, waiting)
    base.signal("step", 1, key="k")
    later.take()
    gone: dict[str, Any] = {"entries": (b"1",), "consumed": ("step",)}
    later.commit(later.begin(), decision=suspended(2, "step", delay_ms=MINUTE, **gone))
    assert due_of(base, waiting) >= first + 1000


def woken_for_nothing(base: Database, hand: Hand) -> Decision:
    """Wake it by a signal that can't be decoded; return the decision to wait on."""
    base.signal("step", 1, key="k")
    hand.take()
    gone: dict[str, Any] = {"entries": (b"refused",), "consumed": ("step",)}
    return suspended(1, "step", delay_ms=MINUTE, **gone)


def test_a_wait_that_goes_on_keeps_its_time(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=1000)
    waiting = base.waiting(hand, "step", delay_ms=MINUTE)
    first = due_of(base, waiting)
    going_on = woken_for_nothing(base, later)
    later.commit(later.begin(), decision=going_on)
    assert base.record(waiting)["status"] == "waiting"
    assert due_of(base, waiting) == first


def test_a_wait_that_goes_on_ends_even_if_its_time_came_while_it_ran(
    base: Database,
) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=MINUTE + 1)
    base.waiting(hand, "step", delay_ms=MINUTE)
    going_on = woken_for_nothing(base, hand)
    wake = hand.begin()
    assert later.take() == []
    hand.commit(wake, decision=going_on)
    fired = later.begin()
    assert fired.record is not None
    assert fired.record.fired == 1


def test_what_fired_is_forgotten_with_the_next_wait(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=MINUTE + 1)
    waiting = base.waiting(hand, "step", delay_ms=MINUTE)
    later.commit(later.begin(), decision=suspended(2, "step", entries=(b"1",)))
    assert "fired" not in base.record(waiting)


def test_an_end_takes_the_timer_away(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, "step", delay_ms=MINUTE)
    base.signal("step", 1, key="k")
    hand.take()
    assert hand.commit(hand.begin(), decision=DONE) == [True]
    assert base.timers() == {}


def test_more_timers_than_one_call_fires_all_fire(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=MINUTE + 1)
    for _ in range(130):
        base.add("open")
    hand.commit(*hand.take(200), decision=suspended(1, delay_ms=MINUTE))
    wakes = [*later.take(200), *later.take(200)]
    assert len({wake.execution_id for wake in wakes}) == 130


def test_a_wait_that_is_the_earliest_rings_the_bell(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, "step", delay_ms=MINUTE)
    base.waiting(hand, "step", delay_ms=2 * MINUTE)
    assert base.client.xlen(PARTITION.bell) == 1
