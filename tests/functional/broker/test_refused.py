"""A decision that the server refuses half-way ends as a failure, wholly."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import PARTITION, Database, received, suspended
from tests.functional.broker.test_children import parent, result_of
from workflow_worker.broker.letters import Reading, Selection
from workflow_worker.model import Decision, Outcome

pytestmark = pytest.mark.usefixtures("books")
RESULT = Decision(Outcome.COMPLETED, b"1", entries=(b"1",))
IN_THE_WAY = [
    ("go", "by-status:completed"),
    ("go", "expiry"),
    ("open", "by-status:completed"),
    ("open", "expiry"),
    ("open", "in:{id}"),
]
"""Events, and keys that the commit of what they start uses; a foreign value makes every
use an error."""


def refuse(base: Database, key: str, execution_id: str) -> str:
    name = PARTITION.prefix + key.replace("{id}", execution_id)
    base.client.set(name, "in the way")
    return name


@pytest.mark.parametrize(("name", "key"), IN_THE_WAY)
def test_it_is_closed_with_exact_books(base: Database, name: str, key: str) -> None:
    hand = base.hand()
    base.add(name, id="7", key="k", payload='{"a":1}')
    task = hand.begin()
    foreign = refuse(base, key, task.execution_id)
    assert hand.commit(task, decision=RESULT) == [True]
    base.client.delete(foreign)
    record = base.record(task.execution_id)
    assert (record["status"], record["error_type"]) == ("failed", "CommitRefused")
    assert record["e:payload"] == '{"a":1}'
    [letter] = base.dead()
    assert letter[b"execution_id"].decode() == task.execution_id
    assert not base.client.exists(f"{PARTITION.prefix}open:s:k")
    stats = base.stats()
    assert (stats["executions_started"], stats["executions_failed"]) == (1, 1)
    assert stats["events_failed"] == 1


def test_it_can_be_retried(base: Database) -> None:
    hand = base.hand()
    base.add("go", id="7", key="k", payload='{"a":1}')
    foreign = refuse(base, "by-status:completed", "")
    hand.commit(hand.begin(), decision=RESULT)
    base.client.delete(foreign)
    hand.retry("0-7.w")
    again = hand.begin()
    assert again.event is not None
    assert (again.event.key, again.event.payload) == ("k", {"a": 1})
    done = Decision(Outcome.COMPLETED, b"1", journaled=len(again.journal))
    assert hand.commit(again, decision=done) == [True]
    assert base.dead() == []


def test_its_parent_hears_of_it(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    child = hand.begin()
    foreign = refuse(base, "by-status:completed", child.execution_id)
    hand.commit(child, decision=RESULT)
    base.client.delete(foreign)
    told = result_of(hand.begin())
    assert (told["status"], told["error_type"]) == ("failed", "CommitRefused")


def test_the_timer_of_its_wait_goes_with_it(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, "step", delay_ms=60_000)
    base.signal("step", 1, key="k")
    hand.take()
    wake = hand.begin()
    assert received(wake)
    foreign = refuse(base, "by-status:completed", "")
    hand.commit(wake, decision=RESULT)
    base.client.delete(foreign)
    assert base.timers() == {}
    assert base.stats()["signals_unconsumed"] == 1


def test_a_wait_that_is_refused_is_a_failure_too(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    foreign = refuse(base, "timers", "")
    hand.commit(task, decision=suspended(1, "step", delay_ms=60_000))
    base.client.delete(foreign)
    assert base.record(task.execution_id)["status"] == "failed"


def test_the_letter_of_a_very_wide_entry_can_be_read(base: Database) -> None:
    wide = {f"f{i}": f"{i}" * 40 for i in range(600)}
    base.client.xadd(PARTITION.events, {"name": "go", **wide, b"\xff": b"\xfe" * 300})
    hand = base.hand()
    assert hand.taken().failed == 1
    [letter] = Reading(Selection()).page(hand.link, PARTITION)
    assert letter.event_name == "go"
    assert letter.fields["f599"] == b"599" * 40
    assert letter.fields["\\xff"] == b"\xfe" * 300
