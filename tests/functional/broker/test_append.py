"""append: journal entries become durable once, in order, by the owner."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import Database, Hand
from workflow_worker.broker import journal
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
