"""retry: a failed or cancelled execution goes on from its journal, once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.functional.broker.conftest import (
    PARTITION,
    Database,
    Hand,
    received,
    suspended,
)
from tests.functional.broker.test_children import child_of, parent, result_of
from workflow_worker.broker.commit import Landed
from workflow_worker.errors import ExecutionNotFound, NotPossible
from workflow_worker.model import Decision, Failure, Outcome, Task

pytestmark = pytest.mark.usefixtures("books")


def entry(ordinal: int, kind: str = "action", name: str = "act") -> bytes:
    return msgspec.json.encode({"ordinal": ordinal, "kind": kind, "name": name})


def failed(hand: Hand, task: Task, journaled: int = 0, **why: Any) -> None:
    failure = Failure("permanent", "ValueError", "no", **why)
    decision = Decision(Outcome.FAILED, failure=failure, journaled=journaled)
    assert hand.commit(task, decision=decision) == [True]


def test_it_goes_on_from_before_what_ended_it(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand, id="7")
    # Entries stand in the order in which they became durable.
    hand.append(task, entry(1), entry(3), entry(2), entry(10), entry(4, "patch"))
    failed(hand, task, 5, closing=3, seen=3)
    hand.retry("0-7.s")
    assert base.wakes() == ["0-7.s"]
    wake = hand.begin()
    assert wake.journal == (entry(1), entry(2))
    assert wake.event is not None
    assert (wake.event.key, wake.event.payload) == ("k", {})
    assert wake.record is not None
    assert (wake.record.status, wake.record.step) == ("running", 2)
    record = base.record("0-7.s")
    gone = {"closing", "dead", "error_type", "message", "category"}
    assert not gone & set(record)


def test_what_was_asked_for_before_the_failure_was_seen_is_kept(
    base: Database,
) -> None:
    """A submitted action failed; its workflow met that three steps later."""
    hand = base.hand()
    task = base.open(hand)
    kept = (entry(1), entry(3, "wait"), entry(2, "patch", "p"), entry(4))
    hand.append(task, kept[0], entry(2), *kept[1:], entry(5), entry(6))
    failed(hand, task, 7, closing=2, seen=4)
    hand.retry(task.execution_id)
    assert hand.begin().journal == kept


@pytest.mark.parametrize("mended", [True, False])
def test_a_parent_that_failed_with_its_child_hears_of_it_anew(
    base: Database, mended: bool
) -> None:
    hand = base.hand()
    task = parent(base, hand)
    child = hand.begin()
    failed(hand, child)
    again = hand.begin()
    [told] = again.inbox
    result = entry(2, "result", told.name)
    why = Failure("permanent", "ExecutionFailed", "no", closing=2, seen=2)
    decision = Decision(
        Outcome.FAILED,
        failure=why,
        entries=(result,),
        journaled=1,
        consumed=(told.name,),
    )
    assert hand.commit(again, decision=decision) == [True]
    if mended:
        hand.retry(child.execution_id)
        hand.commit(hand.begin(), decision=Decision(Outcome.COMPLETED, b"7"))
    hand.retry(task.execution_id)
    once_more = hand.begin()
    assert once_more.journal == again.journal
    [told] = once_more.inbox
    assert told.fields[1] == (b"completed" if mended else b"failed")


def test_without_a_closing_failure_the_whole_journal_stays(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.append(task, entry(1), entry(2))
    failed(hand, task, 2)
    hand.retry(task.execution_id)
    assert hand.begin().journal == (entry(1), entry(2))


def test_the_dead_letter_goes_and_no_other(base: Database) -> None:
    hand = base.hand()
    tasks = [base.open(hand) for _ in range(2)]
    for task in tasks:
        failed(hand, task)
    hand.retry(tasks[0].execution_id)
    [letter] = base.dead()
    assert letter[b"execution_id"].decode() == tasks[1].execution_id


def test_the_books_are_as_if_it_had_not_ended(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    failed(hand, task)
    hand.retry(task.execution_id)
    stats = base.stats()
    assert stats["executions_failed"] == 0
    hand.commit(hand.begin())
    stats = base.stats()
    assert (stats["executions_started"], stats["executions_completed"]) == (1, 1)
    # The event was counted when it failed first, and is not counted again.
    assert (stats["events_failed"], stats.get("events_succeeded", 0)) == (1, 0)


def test_it_may_fail_again_and_be_retried_again(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    for attempt in range(3):
        failed(hand, task)
        assert len(base.dead()) == 1
        hand.retry(task.execution_id)
        task = hand.begin()
        assert task.record is not None
        assert task.record.step == 2 * (attempt + 1)
    assert base.stats()["executions_failed"] == 0


def test_a_plain_one_runs_again(base: Database) -> None:
    hand = base.hand()
    base.add("go", payload='{"a":1}')
    task = hand.begin()
    failed(hand, task)
    hand.retry(task.execution_id)
    again = hand.begin()
    assert again.event is not None
    assert (again.execution_id, again.workflow) == (task.execution_id, "w")
    assert again.event.payload == {"a": 1}


def test_a_cancelled_one_goes_on_without_being_cancelled(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "step")
    hand.cancel(waiting)
    hand.retry(waiting)
    assert base.stats()["executions_cancelled"] == 0
    wake = hand.begin()
    assert wake.record is not None
    assert not wake.record.cancel
    hand.commit(wake, decision=suspended(1, "step"))
    base.hand("b", ahead_ms=600_000).take()
    assert base.record(waiting)["status"] == "waiting", "and it does not expire"


def test_a_cancel_that_was_only_asked_for_is_forgotten(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.cancel(task.execution_id)
    hand.commit(task)
    hand.retry(task.execution_id)
    wake = hand.begin()
    assert wake.record is not None
    assert not wake.record.cancel
    assert hand.landed(wake, decision=suspended(1, "step")) == [Landed.COMMITTED]


def test_it_is_open_for_signals_again(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand, id="7")
    failed(hand, task)
    base.signal("step", 1, key="k")
    base.signal("step", 2, execution_id="0-7.s")
    hand.take()
    assert base.stats()["signals_ignored"] == 2
    hand.retry("0-7.s")
    base.signal("step", 3, key="k")
    base.signal("step", 4, execution_id="0-7.s")
    [wake] = hand.take()
    hand.commit(wake, decision=suspended(1, "step"))
    assert received(hand.begin()) == [("step", '{"n":3}'), ("step", '{"n":4}')]


def test_a_second_retry_finds_it_running(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    failed(hand, task)
    hand.retry(task.execution_id)
    with pytest.raises(NotPossible, match="is running: only a failed or cancelled"):
        hand.retry(task.execution_id)
    assert base.wakes() == [task.execution_id]


def test_one_that_has_not_failed_is_left_alone(base: Database) -> None:
    hand = base.hand()
    done = base.open(hand)
    hand.commit(done, decision=Decision(Outcome.COMPLETED, b"1"))
    waiting = base.waiting(hand)
    before = base.stats()
    for execution_id, status in (
        (done.execution_id, "completed"),
        (waiting, "waiting"),
    ):
        with pytest.raises(NotPossible, match=f"is {status}: only"):
            hand.retry(execution_id)
    assert (base.stats(), base.wakes()) == (before, [])


def test_one_whose_compensations_ran_is_refused(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    failed(hand, task, undone=True)
    with pytest.raises(NotPossible, match="publish its event anew"):
        hand.retry(task.execution_id)
    assert base.record(task.execution_id)["status"] == "failed"
    assert len(base.dead()) == 1


def test_one_that_nobody_knows_is_not_found(base: Database) -> None:
    with pytest.raises(ExecutionNotFound, match="no record of an execution 0-9"):
        base.hand().retry("0-9.s")


def test_its_former_owner_is_fenced(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    failed(hand, task)
    hand.retry(task.execution_id)
    assert hand.commit(task) == [False]
    assert base.wakes() == [task.execution_id]


def test_a_long_journal_is_kept_whole(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    entries = [entry(ordinal) for ordinal in range(1, 1801)]
    for at in range(0, len(entries), 600):
        hand.append(task, *entries[at : at + 600], at=at)
    failed(hand, task, 1800, closing=1800, seen=1800)
    base.client.script_flush()
    hand.retry(task.execution_id)
    assert base.client.llen(PARTITION.journal(task.execution_id)) == 1799
    assert hand.begin().journal == tuple(entries[:-1])


@pytest.mark.parametrize("when", ["before", "between", "after"])
@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_what_children_told_is_there_whenever_they_did(
    base: Database, when: str, end: str
) -> None:
    """Before the end of their parent, before its retry, or after that."""
    hand, later = base.hand(), base.hand("b", ahead_ms=60_001)
    parent(base, hand, "step", delay_ms=60_000)
    child = hand.begin()
    if when == "before":
        hand.commit(child, decision=Decision(Outcome.COMPLETED, b"5"))
    if end == "cancelled":
        hand.cancel("0-7.w")
    else:
        failed(later, later.begin(), 1)
    if when == "between":
        hand.commit(child, decision=Decision(Outcome.COMPLETED, b"5"))
    hand.retry("0-7.w")
    if when == "after":
        hand.commit(child, decision=Decision(Outcome.COMPLETED, b"5"))
    hand.commit(hand.begin(), decision=suspended(2, "/1", journaled=1))
    told = hand.begin()
    assert [item.name for item in told.inbox] == ["/1"]
    assert result_of(told) == {"status": "completed", "result": "5"}


def test_signals_it_left_do_not_stay_with_what_children_told(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand, id="7")
    wait = suspended(2, "other", children=(child_of(task),))
    hand.commit(task, decision=wait)
    for number in range(2):
        base.signal("step", number, key="k")
    hand.commit(hand.begin())
    hand.cancel("0-7.s")
    assert base.stats()["signals_unconsumed"] == 2
    hand.retry("0-7.s")
    base.signal("step", 2, key="k")
    [wake] = hand.take(2)
    assert [item.name for item in wake.inbox] == ["/1"]
    hand.commit(wake, decision=suspended(2, "step"))
    assert received(hand.begin())[1:] == [("step", '{"n":2}')]


def test_what_children_told_goes_with_their_parent(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    child = hand.begin()
    hand.cancel("0-7.w")
    hand.commit(child)
    inbox = f"{PARTITION.prefix}in:0-7.w"
    assert base.client.exists(inbox)
    base.hand("b", ahead_ms=60_001).take()
    assert not base.client.exists(inbox)


def test_a_child_tells_its_parent_how_it_ended_at_last(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    failed(hand, hand.begin())
    wake = hand.begin()
    gone: dict[str, Any] = {"entries": (b"2",), "consumed": ("/1",), "journaled": 1}
    hand.commit(wake, decision=suspended(3, "/1", **gone))
    hand.retry("0-7.w/1")
    hand.commit(hand.begin(), decision=Decision(Outcome.COMPLETED, b"5"))
    assert result_of(hand.begin()) == {"status": "completed", "result": "5"}
