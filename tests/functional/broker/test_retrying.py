"""What failed is tried again: at its time, once, counted, whoever dies meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.broker.conftest import DONE, Database, Hand, suspended
from workflow_worker.broker.commit import Landed
from workflow_worker.model import (
    Decision,
    Emission,
    Failure,
    Outcome,
    Task,
    Wait,
)

pytestmark = pytest.mark.usefixtures("books")
MINUTE = 60_000
TRY = b'{"ordinal":1,"kind":"try","name":"act"}'
UNDO_TRY = b'{"ordinal":2,"kind":"undotry","name":"undo"}'
FAILED = Failure("recoverable", "OSError", "away")


def server_ms(base: Database) -> int:
    seconds, microseconds = base.client.time()
    return int(seconds * 1000 + microseconds // 1000)


def retrying(base: Database, in_ms: int = MINUTE, **more: Any) -> Decision:
    """The decision to try action 1 again after so long."""
    wait = Wait(1, again_ms=server_ms(base) + in_ms)
    return Decision(Outcome.RETRYING, wait=wait, **more)


def failing_again(base: Database, attempt: int = 2, in_ms: int = MINUTE) -> Decision:
    """The decision to run the function again from the top."""
    wait = Wait(0, again_ms=server_ms(base) + in_ms)
    return Decision(Outcome.RETRYING, wait=wait, failure=FAILED, attempt=attempt)


def plain(base: Database, hand: Hand) -> Task:
    base.add("go")
    return hand.begin()


def test_it_waits_for_its_next_try_and_for_nothing_else(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.commit(task, decision=retrying(base, entries=(TRY,)))
    record = base.record(task.execution_id)
    assert record["status"] == "retrying"
    assert "due" not in record
    assert (base.backlog(), base.pending()) == (0, 0)

    base.signal("step", 1, key="k")
    assert hand.take() == [], "a signal does not wake it"
    later = base.hand("b", ahead_ms=MINUTE + 50)
    wake = later.begin()
    assert wake.execution_id == task.execution_id
    assert wake.record is not None
    assert wake.record.retry
    assert wake.record.fired == 1, "the try that is due"
    assert wake.record.attempt == 1, "the workflow itself is not tried again"
    assert wake.journal == (TRY,)
    assert base.record(task.execution_id)["status"] == "running"


def test_a_try_that_is_due_at_once_is_a_wake_at_once(base: Database) -> None:
    hand = base.hand()
    task = plain(base, hand)
    hand.commit(task, decision=retrying(base, in_ms=0))
    assert base.timers() == {}
    assert hand.begin().execution_id == task.execution_id


def test_retries_are_counted_however_they_are_stored(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.append(task, TRY, b'{"ordinal":1,"kind":"action","name":"try"}')
    more = (TRY, UNDO_TRY)
    hand.commit(task, decision=retrying(base, in_ms=0, entries=more, journaled=2))
    assert base.stats()["retries"] == 3
    hand.commit(hand.begin(), decision=failing_again(base, in_ms=0))
    assert base.stats().get("retries") == 3, "fenced: the journal is longer"


def test_a_failed_run_is_tried_again_with_the_next_attempt(base: Database) -> None:
    hand = base.hand()
    task = plain(base, hand)
    hand.commit(task, decision=failing_again(base))
    record = base.record(task.execution_id)
    assert (record["status"], record["attempt"]) == ("retrying", "2")
    assert (record["error_type"], record["message"]) == ("OSError", "away")

    wake = base.hand("b", ahead_ms=MINUTE + 50).begin()
    assert wake.record is not None
    assert wake.record.attempt == 2
    assert wake.record.fired == 0, "no wait of the function is over"
    assert base.stats()["retries"] == 1


def test_its_event_counts_when_a_run_comes_to_something(base: Database) -> None:
    hand = base.hand()
    task = plain(base, hand)
    hand.commit(task, decision=failing_again(base, 2, in_ms=0))
    wake = hand.begin()
    assert wake.counts
    hand.commit(wake, decision=failing_again(base, 3, in_ms=0))
    assert base.stats().get("events_succeeded", 0) == 0

    hand.commit(hand.begin(), decision=suspended(1, delay_ms=MINUTE))
    assert base.stats()["events_succeeded"] == 1
    later = base.hand("b", ahead_ms=MINUTE + 50)
    wake = later.begin()
    assert not wake.counts
    later.commit(wake, decision=DONE)
    stats = base.stats()
    assert stats["events_succeeded"] == stats["executions_completed"] == 1


def test_its_event_has_failed_when_the_last_try_has(base: Database) -> None:
    hand = base.hand()
    hand.commit(plain(base, hand), decision=failing_again(base, in_ms=0))
    hand.commit(hand.begin(), decision=Decision(Outcome.FAILED, failure=FAILED))
    stats = base.stats()
    assert stats["events_failed"] == stats["executions_failed"] == 1
    assert stats.get("events_succeeded", 0) == 0
    [letter] = base.dead()
    assert letter[b"category"] == b"recoverable"


def test_a_retry_that_goes_well_leaves_no_error_behind(base: Database) -> None:
    hand = base.hand()
    task = plain(base, hand)
    hand.commit(task, decision=failing_again(base, in_ms=0))
    hand.commit(hand.begin(), decision=suspended(1, delay_ms=MINUTE))
    record = base.record(task.execution_id)
    assert not {"error_type", "message", "category", "retry", "again"} & set(record)


def test_a_failed_run_publishes_and_starts_nothing_but_keeps_its_journal(
    base: Database,
) -> None:
    hand = base.hand()
    task = plain(base, hand)
    decision = failing_again(base)
    hand.append(task, b"1")
    assert hand.commit(
        task,
        decision=Decision(
            Outcome.RETRYING,
            wait=decision.wait,
            attempt=2,
            entries=(b"2",),
            journaled=1,
        ),
    ) == [True]
    assert base.journal(task.execution_id) == [b"1", b"2"]
    assert base.backlog() == 0


def test_a_try_beside_a_wait_wakes_it_without_ending_the_wait(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    now = server_ms(base)
    wait = Wait(2, ("step",), 2 * MINUTE, again_ms=now + MINUTE)
    hand.commit(task, decision=Decision(Outcome.SUSPENDED, wait=wait))
    record = base.record(task.execution_id)
    due = int(record["due"])
    assert record["status"] == "waiting"
    assert base.timers() == {f"w:{task.execution_id}": now + MINUTE}

    later = base.hand("b", ahead_ms=MINUTE + 50)
    wake = later.begin()
    assert wake.record is not None
    assert wake.record.fired == 0
    later.commit(wake, decision=suspended(2, "step", delay_ms=2 * MINUTE))
    assert base.timers() == {f"w:{task.execution_id}": due}, "as long as before"
    assert "again" not in base.record(task.execution_id)

    last = base.hand("c", ahead_ms=2 * MINUTE + 500).begin()
    assert last.record is not None
    assert last.record.fired == 2


def test_a_signal_ends_a_wait_with_a_try_beside_it(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    wait = Wait(2, ("step",), again_ms=server_ms(base) + MINUTE)
    hand.commit(task, decision=Decision(Outcome.SUSPENDED, wait=wait))
    base.signal("step", 1, key="k")
    hand.take()
    wake = hand.begin()
    hand.append(wake, b"1", consumed=("step",))
    hand.commit(wake, decision=Decision(Outcome.COMPLETED, journaled=1))
    assert base.timers() == {}


@pytest.mark.parametrize("undo", [False, True])
def test_one_that_is_retrying_can_be_cancelled(base: Database, undo: bool) -> None:
    hand = base.hand()
    task = plain(base, hand)
    hand.commit(task, decision=retrying(base, undo=undo))
    answer = hand.cancel(task.execution_id)
    assert answer == ("asked" if undo else "cancelled")
    if undo:
        wake = hand.begin()
        assert wake.record is not None
        assert wake.record.cancel
        hand.commit(wake, decision=Decision(Outcome.CANCELLED, undo=True))
    assert base.record(task.execution_id)["status"] == "cancelled"
    assert base.timers() == {}


def test_a_cancelled_retry_still_counts_its_event(base: Database) -> None:
    hand = base.hand()
    task = plain(base, hand)
    hand.commit(task, decision=failing_again(base))
    hand.cancel(task.execution_id)
    stats = base.stats()
    assert stats["events_succeeded"] == stats["executions_cancelled"] == 1
    record = base.record(task.execution_id)
    assert not {"error_type", "message", "category", "uncounted"} & set(record)


def test_a_cancel_makes_an_end_of_a_retry_under_way(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    assert hand.cancel(task.execution_id) == "asked"
    assert hand.landed(task, decision=failing_again(base)) == [Landed.CANCELLED]
    record = base.record(task.execution_id)
    assert record["status"] == "cancelled"
    assert "error_type" not in record


def test_a_cancel_does_not_hurry_compensations_that_wait_for_a_try(
    base: Database,
) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.commit(task, decision=retrying(base, undo=True, ending=True))
    assert hand.cancel(task.execution_id) == "asked"
    wake = hand.begin()
    again = retrying(base, undo=True, ending=True)
    assert hand.landed(wake, decision=again) == [Landed.COMMITTED]
    assert base.record(task.execution_id)["status"] == "retrying"
    assert base.wakes() == [], "or it would run round and round"


def test_a_compensation_does_not_inherit_the_time_of_a_wait(base: Database) -> None:
    """A cancelled wait gives its ordinal back, and the compensation gets it."""
    hand = base.hand()
    execution_id = base.waiting(hand, delay_ms=MINUTE, undo=True)
    hand.cancel(execution_id)
    due = server_ms(base) + 10 * MINUTE
    decision = Decision(
        Outcome.RETRYING, wait=Wait(1, again_ms=due), undo=True, ending=True
    )
    hand.commit(hand.begin(), decision=decision)
    assert base.timers() == {f"w:{execution_id}": due}
    assert "due" not in base.record(execution_id)


def test_one_that_goes_on_as_new_has_all_its_tries_again(base: Database) -> None:
    hand = base.hand()
    task = plain(base, hand)
    hand.commit(task, decision=failing_again(base, 3, in_ms=0))
    hand.commit(hand.begin(), decision=Decision(Outcome.CONTINUED))
    wake = hand.begin()
    assert wake.record is not None
    assert wake.record.attempt == 1


def test_a_former_owner_sets_no_try(base: Database) -> None:
    former, owner = base.hand("a"), base.hand("b")
    task = plain(base, former)
    [again] = owner.claim()
    assert former.commit(task, decision=failing_again(base)) == [False]
    assert base.timers() == {}
    assert base.stats().get("retries", 0) == 0
    assert owner.commit(again, decision=DONE) == [True]


def test_scripts_that_the_server_forgot_are_sent_again(base: Database) -> None:
    hand = base.hand()
    task = plain(base, hand)
    base.client.script_flush()
    hand.commit(task, decision=failing_again(base))
    base.client.script_flush()
    later = base.hand("b", ahead_ms=MINUTE + 50)
    wake = later.begin()
    base.client.script_flush()
    assert later.commit(
        wake, decision=Decision(Outcome.COMPLETED, emits=(Emission("go", b"{}"),))
    ) == [True]
    assert base.stats()["executions_completed"] == 1
