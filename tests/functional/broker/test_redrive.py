"""redrive: a letter gets another try, once, and leaves with what comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.functional.broker.conftest import PARTITION, TTL_MS, Database
from tests.functional.broker.test_children import parent
from tests.functional.broker.test_letters import dies, purge, read, redrive
from tests.functional.broker.test_retry import entry, failed
from workflow_worker.model import Decision, Outcome

pytestmark = pytest.mark.usefixtures("books")


def test_a_failed_execution_goes_on_from_its_journal(base: Database) -> None:
    hand = base.hand()
    task = dies(base, hand, key="k", id="7")
    base.client.script_flush()
    assert redrive(hand) == ["retried"]
    assert base.dead() == []
    wake = hand.begin()
    assert (wake.execution_id, wake.journal) == (task.execution_id, (entry(1),))
    assert base.stats()["executions_failed"] == 0
    hand.commit(wake, decision=Decision(Outcome.COMPLETED, b"1", journaled=1))
    stats = base.stats()
    assert (stats["executions_started"], stats["executions_completed"]) == (1, 1)
    assert (stats["events_failed"], stats.get("events_succeeded", 0)) == (1, 0)


def test_its_tries_begin_anew(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.append(task, entry(1, "try"), entry(2, "sleep"))
    base.client.hset(PARTITION.record(task.execution_id), "attempt", 4)
    failed(hand, task, 2, closing=1, seen=2)
    assert redrive(hand) == ["retried"]
    wake = hand.begin()
    assert wake.record is not None
    assert (wake.record.attempt, wake.journal) == (1, (entry(2, "sleep"),))


def test_a_call_repeated_after_a_lost_reply_does_nothing(base: Database) -> None:
    hand = base.hand()
    dies(base, hand)
    base.add("", id="e")
    hand.take()
    ids = [letter.id for letter in read(hand)]
    assert redrive(hand, *ids) == ["retried", "published"]
    before = (base.stats(), base.backlog())
    assert redrive(hand, *ids) == ["gone", "gone"]
    assert (base.stats(), base.backlog()) == before


def test_one_whose_compensations_ran_keeps_its_letter(base: Database) -> None:
    hand = base.hand()
    failed(hand, base.open(hand), undone=True)
    dies(base, hand, id="7")
    assert redrive(hand) == ["undone", "retried"]
    [letter] = read(hand)
    assert base.record(letter.execution_id)["status"] == "failed"


def test_a_letter_of_an_earlier_failure_touches_nothing(base: Database) -> None:
    hand = base.hand()
    task = dies(base, hand)
    [stale] = base.dead()
    hand.retry(task.execution_id)
    base.client.xadd(PARTITION.dead, stale)
    assert redrive(hand) == ["running"]
    failed(hand, hand.begin(), 1)
    [old, new] = read(hand)
    assert redrive(hand, old.id) == ["failed"]
    assert purge(hand, old.id) == [1]
    assert base.record(task.execution_id)["dead"] == new.id


@pytest.mark.parametrize("given", [{"id": "7"}, {}], ids=["its id", "none"])
def test_of_one_that_is_forgotten_only_its_workflow_begins_anew(
    base: Database, given: dict[str, str]
) -> None:
    hand = base.hand()
    base.add("both", payload='{"a":1}', **given)
    assert hand.take() == []
    one, other = hand.take()
    hand.commit(other)
    failed(hand, one)
    base.client.delete(PARTITION.record(one.execution_id))
    base.client.delete(PARTITION.by_status("failed"))
    assert redrive(hand) == ["restarted"]
    again = hand.begin()
    assert (again.execution_id, again.counts) == (one.execution_id, False)
    assert (again.deliveries, again.journal) == (1, ())
    assert again.event is not None
    assert again.event.payload == {"a": 1}
    hand.commit(again)
    assert (base.backlog(), base.dead()) == (0, [])
    assert base.stats()["events_succeeded"] == 1


def test_of_a_forgotten_child_nothing_begins(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    child = hand.begin()
    failed(hand, child)
    assert hand.begin().execution_id == "0-7.w"
    purged = read(hand)[0]
    [fields] = base.dead()
    assert purge(hand, purged.id) == [2]
    base.client.xadd(PARTITION.dead, fields)
    assert redrive(hand) == ["child"]
    assert len(base.dead()) == 1


def test_an_event_that_was_refused_is_tried_again_uncounted(base: Database) -> None:
    hand = base.hand()
    payload = json.dumps({"a": "x" * 2000})
    base.add("go", id="7", payload=payload)
    assert hand.taken().failed == 1
    assert redrive(hand) == ["published"]
    assert hand.taken().failed == 0, "it was counted before"
    assert redrive(hand) == ["published"]
    hand.owner = replace(hand.owner, max_payload_bytes=5000)
    task = hand.begin()
    assert (task.execution_id, task.counts) == ("0-7.w", False)
    assert task.event is not None
    assert json.dumps(task.event.payload) == payload
    hand.commit(task)
    assert base.stats()["events_failed"] == 1
    assert base.stats().get("events_succeeded", 0) == 0


def test_its_id_stays_the_one_event_of_that_id(base: Database) -> None:
    hand = base.hand()
    base.signal("step", 1, id="7")  # neither key nor execution
    hand.take()
    assert redrive(hand) == ["published"]
    base.signal("step", 2, id="7", key="k")
    hand.take()
    assert base.stats()["events_duplicate"] == 1
    assert base.stats()["events_failed"] == 1
    [letter] = read(hand)
    assert letter.payload == {"n": 1}
    base.client.set(f"{PARTITION.prefix}once:7", "1-1", px=TTL_MS)
    assert redrive(hand) == ["duplicate"]
    assert base.backlog() == 0


def test_an_event_without_id_keeps_that_of_its_first_entry(base: Database) -> None:
    hand = base.hand()
    at = base.signal("step", 1)
    for _ in range(2):
        hand.take()
        [letter] = read(hand)
        assert letter.event_id == at
        assert redrive(hand) == ["published"]


def test_an_event_of_too_many_fields_stays(base: Database) -> None:
    hand = base.hand()
    base.add("go", **{f"f{i}": "" for i in range(5000)})
    hand.take()
    assert redrive(hand) == ["wide"]
    assert len(base.dead()) == 1


@pytest.mark.parametrize("act", [redrive, purge])
def test_a_full_server_lets_letters_leave_whole(base: Database, act: Any) -> None:
    hand = base.hand()
    dies(base, hand, id="1")
    base.add("go", id="2", payload="x" * 2000)
    hand.take()
    ids = [letter.id for letter in read(hand)]
    try:
        base.client.config_set("maxmemory", 1)
        found = [act(hand, letter_id)[0] for letter_id in reversed(ids)]
    finally:
        base.client.config_set("maxmemory", 0)
    assert found in (["published", "retried"], [1, 2])
    assert base.dead() == []
    assert base.backlog() == (2 if act is redrive else 0)


def test_a_letter_stays_if_its_execution_can_not_go_on(base: Database) -> None:
    hand = base.hand()
    task = dies(base, hand)
    other = dies(base, hand, "go")
    journal = PARTITION.journal(task.execution_id)
    base.client.delete(journal)
    base.client.set(journal, "in the way")
    broken, answer = redrive(hand)
    assert broken.startswith("error ")
    assert "WRONGTYPE" in broken
    assert answer == "retried"
    [letter] = read(hand)
    assert letter.execution_id == task.execution_id
    assert base.wakes() == [other.execution_id]
    base.client.delete(journal)
    assert redrive(hand) == ["retried"]
