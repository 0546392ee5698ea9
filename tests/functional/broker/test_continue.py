"""Continued as new: the same execution, with a fresh journal and one wake."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.broker.conftest import Database, Hand, received, suspended
from workflow_worker.model import Decision, Emission, Outcome, Task

pytestmark = pytest.mark.usefixtures("books")


def go_on(hand: Hand, task: Task, journaled: int = 0, **more: Any) -> list[bool]:
    decision = Decision(Outcome.CONTINUED, journaled=journaled, **more)
    return hand.commit(task, decision=decision)


def test_it_goes_on_with_its_new_payload_and_without_its_journal(
    base: Database,
) -> None:
    hand = base.hand()
    task = base.open(hand, id="7")
    hand.append(task, b"1", b"2")
    more = {"payload": b'{"round":2}', "base": b'{"data":{}}', "entries": (b"3",)}
    assert go_on(hand, task, 2, state="on", version="7", **more) == [True]
    assert base.wakes() == ["0-7.s"]
    assert base.journal("0-7.s") == []
    wake = hand.begin()
    assert wake.event is not None
    assert (wake.event.payload, wake.event.key) == ({"round": 2}, "k")
    assert (wake.event.name, wake.event.id) == ("open", "7")
    record = wake.record
    assert record is not None
    assert (record.run, record.step, record.state) == (1, 1, "on")
    assert (record.base, record.status) == (b'{"data":{}}', "running")
    assert record.version is None, "any version may go on"


def test_a_plain_execution_gets_its_record(base: Database) -> None:
    hand = base.hand()
    base.add("go", payload='{"round":1}')
    task = hand.begin()
    go_on(hand, task, payload=b'{"round":2}')
    wake = hand.begin()
    assert wake.event is not None
    assert (wake.execution_id, wake.event.payload) == (task.execution_id, {"round": 2})
    hand.commit(wake)
    stats = base.stats()
    assert (stats["events_succeeded"], stats["executions_started"]) == (1, 1)


def test_it_may_go_on_again_and_again(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    for run in range(3):
        assert task.record is not None
        assert (task.record.run, task.record.step) == (run, run)
        hand.append(task, b"1")
        assert go_on(hand, task, 1) == [True]
        task = hand.begin()


def test_a_former_owner_does_not_continue_it(base: Database) -> None:
    former, owner = base.hand("a"), base.hand("b")
    task = base.open(former)
    former.append(task, b"1")
    owner.claim()
    assert go_on(former, task, 1) == [False]
    assert base.journal(task.execution_id) == [b"1"]


def test_signals_it_has_not_consumed_go_along(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    for number in range(2):
        base.signal("step", number, key="k")
    hand.take()
    go_on(hand, task, entries=(b"1",), consumed=("step",))
    wake = hand.begin()
    assert received(wake) == [("step", '{"n":1}')]
    # And it is still open to more of them.
    base.signal("other", 3, key="k")
    hand.take()
    hand.commit(wake, decision=suspended(1, "other"))
    assert len(hand.begin().inbox) == 2


def test_the_wait_it_was_woken_from_is_over(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "step", delay_ms=60_000)
    later = base.hand("b", ahead_ms=60_001)
    wake = later.begin()
    go_on(later, wake, entries=(b"1",))
    again = later.begin()
    assert again.record is not None
    assert (again.record.fired, base.timers()) == (0, {})
    # The same ordinal in the new run is another wait, with a time of its own.
    later.commit(again, decision=suspended(1, "step", delay_ms=60_000))
    assert base.timers()[f"w:{waiting}"] > int(base.record(waiting)["started"]) + 60_000
    assert later.take() == []


def test_a_timer_it_did_not_wait_for_is_gone(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, "step", delay_ms=60_000)
    base.signal("step", 1, key="k")
    hand.take()
    go_on(hand, hand.begin(), entries=(b"1",), consumed=("step",))
    assert base.timers() == {}


def test_what_it_emits_is_sent(base: Database) -> None:
    hand = base.hand()
    go_on(hand, base.open(hand), emits=(Emission("go", b"{}"),))
    assert sorted(task.workflow for task in hand.take()) == ["s", "w"]
