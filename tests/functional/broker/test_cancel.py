"""cancel: at once where nothing runs, else at the next append or commit."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import (
    DONE,
    PARTITION,
    RETENTION,
    Database,
    suspended,
)
from tests.functional.broker.test_commit import FAILED
from workflow_worker.broker.commit import Landed, commit
from workflow_worker.broker.journal import Appended
from workflow_worker.errors import ExecutionNotFound, NotPossible
from workflow_worker.model import (
    Child,
    Decision,
    Emission,
    Failure,
    Outcome,
)

pytestmark = pytest.mark.usefixtures("books")
EMIT = (Emission("go", b"{}"), Emission("go", b"{}", delay_ms=1000, id="later"))


def test_one_that_waits_is_cancelled_at_once(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "step", delay_ms=60_000)
    base.signal("other", 1, key="k")
    hand.take()
    assert hand.cancel(waiting) == "cancelled"
    record = base.record(waiting)
    assert (record["status"], record["step"]) == ("cancelled", "2")
    assert (base.timers(), base.wakes()) == ({}, [])
    assert not base.client.exists(f"{PARTITION.prefix}open:s:k")
    stats = base.stats()
    assert (stats["executions_cancelled"], stats["signals_unconsumed"]) == (1, 1)
    assert base.hand("b", ahead_ms=60_001).take() == []


def test_one_that_runs_is_asked_and_its_commit_is_the_end(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    assert hand.append(task, b"1") is Appended.DURABLE
    assert hand.cancel(task.execution_id) == "asked"
    assert base.record(task.execution_id)["status"] == "running"
    assert hand.append(task, b"2", at=1) is Appended.CANCEL
    assert hand.append(task, b"2", at=1) is Appended.CANCEL, "a lost reply"
    child = Child("0-x.s/1", "w", b"{}", "", "1")
    done = Decision(
        Outcome.COMPLETED, b"1", journaled=2, emits=EMIT, children=(child,), state="s"
    )
    assert hand.landed(task, decision=done) == [Landed.CANCELLED]
    assert hand.landed(task, decision=done) == [Landed.LOST]
    record = base.record(task.execution_id)
    assert (record["status"], record["state"]) == ("cancelled", "s")
    assert "result" not in record
    assert (base.backlog(), base.timers()) == (0, {}), "nothing is carried out"
    stats = base.stats()
    assert (stats["executions_cancelled"], stats["events_succeeded"]) == (1, 1)
    assert "executions_completed" not in stats


@pytest.mark.parametrize(
    "decision",
    [
        suspended(1, "step", delay_ms=1000, emits=EMIT),
        Decision(Outcome.CONTINUED, emits=EMIT),
        FAILED,
        Decision(Outcome.CANCELLED),
    ],
    ids=lambda decision: decision.outcome.value,
)
def test_whatever_it_decides_becomes_cancelled(
    base: Database, decision: Decision
) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.cancel(task.execution_id)
    assert hand.commit(task, decision=decision) == [True]
    assert base.stats()["executions_cancelled"] == 1
    assert (base.dead(), base.timers(), base.wakes()) == ([], {}, [])


def test_a_run_that_honours_it_lands_as_it_is(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.cancel(task.execution_id)
    cancelled = Decision(Outcome.CANCELLED, entries=(b"1",))
    assert hand.landed(task, decision=cancelled) == [Landed.COMMITTED]
    assert base.record(task.execution_id)["status"] == "cancelled"


def test_the_next_owner_is_told_from_the_start(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.cancel(task.execution_id)
    [again] = base.hand("b").claim()
    assert again.record is not None
    assert again.record.cancel


def test_one_with_a_wake_in_the_stream_is_only_asked(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.signal("step", 1, key="k")
    hand.take()
    assert hand.cancel(waiting) == "asked"
    assert base.wakes() == [waiting]
    wake = hand.begin()
    assert wake.record is not None
    assert wake.record.cancel


def test_one_that_was_put_back_is_only_asked(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.requeue(task, delay_ms=1000)
    assert hand.cancel(task.execution_id) == "asked"
    [again] = base.hand("b", ahead_ms=2000).take()
    assert again.record is not None
    assert again.record.cancel


def test_one_with_compensations_runs_once_more_for_them(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, undo=True)
    assert hand.cancel(waiting) == "asked"
    assert hand.cancel(waiting) == "asked"
    assert base.wakes() == [waiting]
    wake = hand.begin()
    assert wake.record is not None
    assert wake.record.cancel
    undone = Decision(Outcome.CANCELLED, entries=(b"1",), undo=True)
    assert hand.landed(wake, decision=undone) == [Landed.COMMITTED]
    assert base.record(waiting)["undone"] == "1"


def test_a_commit_that_missed_the_word_comes_again_for_the_compensations(
    base: Database,
) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.cancel(task.execution_id)
    done = Decision(
        Outcome.COMPLETED, b"1", undo=True, emits=EMIT, entries=(b"1",), state="s"
    )
    assert hand.landed(task, decision=done) == [Landed.CANCELLED]
    assert base.record(task.execution_id)["status"] == "running"
    assert base.wakes() == [task.execution_id]
    wake = hand.begin()
    assert (wake.journal, wake.counts) == ((b"1",), False)
    undone = Decision(Outcome.CANCELLED, journaled=1, entries=(b"2",), undo=True)
    hand.commit(wake, decision=undone)
    stats = base.stats()
    assert (stats["executions_cancelled"], stats["events_succeeded"]) == (1, 1)
    assert "executions_completed" not in stats


@pytest.mark.parametrize("undo", [False, True])
def test_one_that_has_its_record_of_this_very_run_is_cancelled_amid_others(
    base: Database, *, undo: bool
) -> None:
    hand = base.hand()
    for _ in range(3):
        base.add("go")
    plain, task, kept = hand.take()
    assert hand.append(task, b"1") is Appended.DURABLE
    assert hand.cancel(task.execution_id) == "asked"
    done = Decision(Outcome.COMPLETED, b"5")
    asked = Decision(Outcome.COMPLETED, b"6", journaled=1, emits=EMIT, undo=undo)
    batch = [(plain, DONE), (task, asked), (kept, done)]
    assert commit(hand.link, hand.owner, batch, RETENTION) == [
        Landed.COMMITTED,
        Landed.CANCELLED,
        Landed.COMMITTED,
    ]
    record = base.record(task.execution_id)
    assert record["status"] == ("running" if undo else "cancelled")
    assert base.wakes() == [task.execution_id] * undo
    assert "result" not in record
    assert base.timers() == {}
    if undo:
        wake = hand.begin()
        assert wake.record is not None
        assert (wake.record.cancel, wake.journal, wake.counts) == (True, (b"1",), False)
        undone = Decision(Outcome.CANCELLED, journaled=1, entries=(b"2",), undo=True)
        assert hand.landed(wake, decision=undone) == [Landed.COMMITTED]
        record = base.record(task.execution_id)
    assert (record["status"], record.get("undone")) == (
        "cancelled",
        "1" if undo else None,
    )
    stats = base.stats()
    assert (stats["executions_cancelled"], stats["executions_completed"]) == (1, 2)
    assert (stats["executions_started"], stats["events_succeeded"]) == (3, 3)


def test_one_that_failed_and_undid_everything_does_not_run_again(
    base: Database,
) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.cancel(task.execution_id)
    failure = Failure("permanent", "ValueError", "no", undone=True)
    failed = Decision(Outcome.FAILED, failure=failure, undo=True, entries=(b"1",))
    assert hand.landed(task, decision=failed) == [Landed.CANCELLED]
    record = base.record(task.execution_id)
    assert (record["status"], record["undone"]) == ("cancelled", "1")
    assert (base.wakes(), base.dead()) == ([], [])


def test_one_that_has_ended_says_so(base: Database) -> None:
    hand = base.hand()
    done = base.open(hand)
    hand.commit(done, decision=Decision(Outcome.COMPLETED, b"1"))
    failed = base.open(hand)
    hand.commit(failed, decision=FAILED)
    before = base.stats()
    for task, status in ((done, "completed"), (failed, "failed")):
        with pytest.raises(NotPossible, match=f"is {status} already"):
            hand.cancel(task.execution_id)
    assert base.stats() == before


def test_a_second_cancel_changes_nothing(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    answers = [hand.cancel(waiting), hand.cancel(waiting)]
    assert answers == ["cancelled", "cancelled"]
    assert base.stats()["executions_cancelled"] == 1


def test_one_that_nobody_knows_is_not_found(base: Database) -> None:
    with pytest.raises(ExecutionNotFound, match="no record of an execution 0-9"):
        base.hand().cancel("0-9.s")


def test_a_cancelled_one_is_kept_as_long_as_a_result(base: Database) -> None:
    hand = base.hand()
    waiting, forgotten = base.waiting(hand), base.waiting(hand)
    hand.cancel(waiting)
    hand.cancel(forgotten, ttl_ms=0)
    assert not base.record(forgotten)
    assert base.client.zscore(f"{PARTITION.prefix}expiry", waiting)
    base.hand("b", ahead_ms=60_001).take()
    assert not base.record(waiting)


def test_a_server_that_forgot_its_scripts_cancels(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.client.script_flush()
    assert hand.cancel(waiting) == "cancelled"
