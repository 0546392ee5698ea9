"""append: journal entries become durable once, in order, by the owner."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import PARTITION, Database, Hand
from workflow_worker.broker import journal
from workflow_worker.broker.journal import Appended
from workflow_worker.model import Decision, Outcome, Task

pytestmark = pytest.mark.usefixtures("books")


def append(hand: Hand, task: Task, *entries: bytes, at: int = 0) -> bool:
    return journal.append(hand.link, hand.owner, task, entries, at, "7")


def stored(base: Database, task: Task) -> list[bytes]:
    found: list[bytes] = base.client.lrange(f"{{t:0}}:j:{task.execution_id}", 0, -1)
    return found


def test_the_first_entries_make_the_record(base: Database) -> None:
    base.add(key="k", payload='{"a":1}')
    hand = base.hand()
    [task] = hand.take()
    assert append(hand, task, b"one", b"two")
    record = base.client.hgetall(f"{{t:0}}:x:{task.execution_id}")
    assert (record[b"status"], record[b"workflow"]) == (b"running", b"w")
    assert (record[b"version"], record[b"key"]) == (b"7", b"k")
    assert stored(base, task) == [b"one", b"two"]
    assert base.stats() == {"executions_started": 1}


def test_the_same_entries_again_change_nothing(base: Database) -> None:
    base.add()
    hand = base.hand()
    [task] = hand.take()
    assert append(hand, task, b"one")
    assert append(hand, task, b"one")
    assert append(hand, task, b"two", at=1)
    assert stored(base, task) == [b"one", b"two"]
    assert base.stats() == {"executions_started": 1}


def test_other_entries_in_that_place_are_refused(base: Database) -> None:
    base.add()
    hand = base.hand()
    [task] = hand.take()
    assert append(hand, task, b"one")
    assert not append(hand, task, b"another")
    assert not append(hand, task, b"gap", at=2)
    assert stored(base, task) == [b"one"]


def test_a_former_delivery_appends_nothing(base: Database) -> None:
    base.add()
    hand = base.hand("a")
    [task] = hand.take()
    [again] = hand.adopt("a", started=[task.entry])
    assert not append(hand, task, b"one")
    assert append(hand, again, b"two")
    assert stored(base, task) == [b"two"]


def test_a_former_owner_appends_nothing(base: Database) -> None:
    base.add()
    former, owner = base.hand("a"), base.hand("b")
    [task] = former.take()
    owner.claim()
    assert not append(former, task, b"late")
    assert stored(base, task) == []


def test_a_takeover_brings_the_journal(base: Database) -> None:
    base.add()
    former, owner = base.hand("a"), base.hand("b")
    [task] = former.take()
    append(former, task, b"one")
    [again] = owner.claim()
    assert again.journal == (b"one",)
    assert again.record is not None
    assert (again.record.status, again.record.step) == ("running", 0)
    assert append(owner, again, b"two", at=1)
    done = Decision(Outcome.COMPLETED, journaled=2)
    assert owner.commit(again, decision=done) == [True]
    assert base.client.zcard("{t:0}:by-status:running") == 0
    assert base.client.zcard("{t:0}:by-status:completed") == 1


ACTION = b'{"ordinal":2,"kind":"action","name":"act"}'


def begun(base: Database, hand: Hand) -> Task:
    """One that has a record and an entry: the next one goes the short way."""
    base.add()
    task = hand.begin()
    assert append(hand, task, b"one")
    return task


def test_a_later_entry_is_fenced_by_the_pair(base: Database) -> None:
    former, owner = base.hand("a"), base.hand("b")
    task = begun(base, former)
    owner.claim()
    assert not append(former, task, ACTION, at=1)
    assert stored(base, task) == [b"one"]


def test_a_later_entry_is_fenced_by_the_step(base: Database) -> None:
    hand = base.hand()
    task = begun(base, hand)
    base.client.hincrby(PARTITION.record(task.execution_id), "step", 1)
    assert not append(hand, task, ACTION, at=1)
    assert stored(base, task) == [b"one"]


def test_a_later_entry_is_fenced_by_the_length_of_the_journal(base: Database) -> None:
    hand = base.hand()
    task = begun(base, hand)
    assert not append(hand, task, ACTION, at=2)
    assert not append(hand, task, ACTION, at=0)
    assert stored(base, task) == [b"one"]


def test_a_later_entry_whose_reply_was_lost_is_stored_once(base: Database) -> None:
    hand = base.hand()
    task = begun(base, hand)
    for _ in range(2):
        assert append(hand, task, ACTION, at=1)
    assert append(hand, task, ACTION, b"three", at=1)
    assert stored(base, task) == [b"one", ACTION, b"three"]


@pytest.mark.parametrize("kind", [b"try", b"undotry"])
@pytest.mark.parametrize("first", [True, False])
def test_a_failed_try_is_a_retry_to_come(
    base: Database, kind: bytes, first: bool
) -> None:
    hand = base.hand()
    base.add()
    task = hand.begin()
    if not first:
        append(hand, task, b"one")
    entry = b'{"ordinal":1,"kind":"%s","name":"act"}' % kind
    for _ in range(2):
        assert append(hand, task, entry, at=int(not first))
    assert base.stats()["retries"] == 1


def test_one_that_consumes_removes_what_it_consumed(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    assert hand.append(task, b"one")
    base.signal("step", 1, key="k")
    assert hand.take() == []
    for _ in range(2):
        assert hand.append(task, ACTION, at=1, consumed=("step",))
    assert base.stats()["signals_consumed"] == 1
    assert not base.client.exists(PARTITION.inbox(task.execution_id))


@pytest.mark.parametrize("more", [(), (b"three",)], ids=["one", "two"])
def test_who_is_to_be_cancelled_is_told(
    base: Database, more: tuple[bytes, ...]
) -> None:
    hand = base.hand()
    task = begun(base, hand)
    assert hand.cancel(task.execution_id) == "asked"
    assert hand.append(task, ACTION, *more, at=1) is Appended.CANCEL
    assert stored(base, task) == [b"one", ACTION, *more]


def test_a_record_without_version_gets_that_of_its_run(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    assert "version" not in base.record(task.execution_id)
    assert hand.append(task, ACTION)
    assert base.record(task.execution_id)["version"] == "7"


def test_a_server_that_forgot_the_script_is_sent_the_text(base: Database) -> None:
    hand = base.hand()
    task = begun(base, hand)
    base.client.script_flush()
    assert append(hand, task, ACTION, at=1)
    assert stored(base, task) == [b"one", ACTION]
