"""commit: each decision whole, once, and only by the owner."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.broker.conftest import Database, Hand
from workflow_worker.broker import journal
from workflow_worker.broker.commit import Landed, Retention
from workflow_worker.model import Decision, Emission, Failure, Outcome, Task

FAILED = Decision(
    Outcome.FAILED, failure=Failure("permanent", "ValueError", "no", "Traceback …", 2)
)

pytestmark = pytest.mark.usefixtures("books")


def one(base: Database, hand: Hand, **fields: str) -> Task:
    base.add(**fields)
    [task] = hand.take(1)
    return task


def test_a_plain_completion_leaves_only_counters(base: Database) -> None:
    hand = base.hand()
    for _ in range(5):
        base.add()
    assert hand.commit(*hand.take()) == [True] * 5
    assert base.stats() == {
        "events_succeeded": 5,
        "executions_started": 5,
        "executions_completed": 5,
    }
    assert base.all_keys() == {
        "{t:0}:events",
        "{t:0}:bell",
        "{t:0}:routes",
        "{t:0}:stats",
        "{t}:meta",
    }
    assert (base.backlog(), base.pending()) == (0, 0)


@pytest.mark.parametrize("decision", [Decision(Outcome.COMPLETED), FAILED])
def test_a_former_owner_changes_nothing(base: Database, decision: Decision) -> None:
    former, owner = base.hand("a"), base.hand("b")
    task = one(base, former)
    [again] = owner.claim()
    before = base.client.dump("{t:0}:events")
    assert former.commit(task, decision=decision) == [False]
    assert base.client.dump("{t:0}:events") == before
    assert (base.stats(), base.dead()) == ({}, [])
    assert owner.commit(again) == [True]


def test_a_commit_repeated_after_a_lost_reply_counts_once(base: Database) -> None:
    hand = base.hand()
    task = one(base, hand)
    assert hand.commit(task) == [True]
    assert hand.commit(task) == [False]
    assert base.stats()["events_succeeded"] == 1


def test_a_batch_commits_its_owners_items_and_no_others(base: Database) -> None:
    former, owner = base.hand("a"), base.hand("b")
    for _ in range(3):
        base.add()
    tasks = former.take()
    owner.claim(1)
    assert former.commit(*tasks) == [False, True, True]
    assert base.stats()["executions_completed"] == 2


def test_a_result_is_kept_with_its_event_until_it_expires(base: Database) -> None:
    hand = base.hand()
    task = one(base, hand, key="k", payload='{"a":1}')
    hand.commit(task, decision=Decision(Outcome.COMPLETED, b'{"r":2}', state="done"))
    record = base.client.hgetall(f"{{t:0}}:x:{task.execution_id}")
    assert record[b"result"] == b'{"r":2}'
    assert (record[b"status"], record[b"state"]) == (b"completed", b"done")
    assert (record[b"e:payload"], record[b"key"]) == (b'{"a":1}', b"k")
    base.client.zadd("{t:0}:expiry", {task.execution_id: 1})
    hand.take()
    left = {key for key in base.all_keys() if ":x:" in key or "by-status" in key}
    assert left == set()


def test_only_so_many_results_are_kept(base: Database) -> None:
    hand = base.hand()
    for _ in range(8):
        base.add()
    decision = Decision(Outcome.COMPLETED, b"1")
    hand.commit(*hand.take(), decision=decision, retention=Retention(60_000, 3))
    assert len([key for key in base.all_keys() if ":x:" in key]) == 3
    assert base.client.zcard("{t:0}:by-status:completed") == 3


def test_a_result_with_no_time_to_live_leaves_nothing(base: Database) -> None:
    hand = base.hand()
    task = one(base, hand)
    hand.commit(task, decision=Decision(Outcome.COMPLETED, b"1", result_ttl_ms=0))
    assert not [key for key in base.all_keys() if ":x:" in key]
    assert base.stats()["executions_completed"] == 1


@pytest.mark.parametrize(
    "more", [{}, {"emits": (Emission("unheard", b"{}"),)}], ids=["alone", "emitting"]
)
def test_neither_does_a_journal_that_is_not_kept(
    base: Database, more: dict[str, Any]
) -> None:
    hand = base.hand()
    task = one(base, hand)
    tried = b'{"ordinal":1,"kind":"try","name":"a"}'
    done = Decision(Outcome.COMPLETED, entries=(tried,), result_ttl_ms=0, **more)
    assert hand.commit(task, decision=done) == [True]
    assert base.journal(task.execution_id) == []
    stats = base.stats()
    assert (stats["executions_completed"], stats["retries"]) == (1, 1)


def test_a_failure_is_a_dead_letter_with_its_event_and_its_reason(
    base: Database,
) -> None:
    hand = base.hand()
    task = one(base, hand, payload='{"a":1}', headers='{"h":1}')
    assert hand.commit(task, decision=FAILED) == [True]
    [letter] = base.dead()
    assert letter[b"e:payload"] == b'{"a":1}'
    assert letter[b"e:headers"] == b'{"h":1}'
    assert letter[b"error_type"] == b"ValueError"
    assert letter[b"traceback"].decode() == "Traceback …"
    assert letter[b"execution_id"].decode() == task.execution_id
    assert (letter[b"attempts"], letter[b"deliveries"]) == (b"2", b"1")
    assert base.stats() == {
        "events_failed": 1,
        "executions_started": 1,
        "executions_failed": 1,
    }
    assert (base.backlog(), base.pending()) == (0, 0)


def test_emitted_events_appear_with_the_commit_and_only_with_it(
    base: Database,
) -> None:
    former, owner = base.hand("a"), base.hand("b")
    task = one(base, former)
    [again] = owner.claim()
    emit = Decision(Outcome.COMPLETED, emits=(Emission("order.x", b'{"e":1}', "k"),))
    assert former.commit(task, decision=emit) == [False]
    assert base.backlog() == 1
    assert owner.commit(again, decision=emit) == [True]
    [emitted] = owner.take()
    assert emitted.event is not None
    assert (emitted.event.payload, emitted.event.key) == ({"e": 1}, "k")
    assert emitted.event.published_ms > 0


def test_the_journal_must_be_as_long_as_the_run_left_it(base: Database) -> None:
    hand = base.hand()
    task = one(base, hand)
    assert journal.append(hand.link, hand.owner, task, (b"1", b"2"), 0)
    late = Decision(Outcome.COMPLETED, journaled=1, entries=(b"x",))
    assert hand.commit(task, decision=late) == [False]
    right = Decision(Outcome.COMPLETED, journaled=2, entries=(b"3",))
    assert hand.commit(task, decision=right) == [True]
    kept = base.client.lrange(f"{{t:0}}:j:{task.execution_id}", 0, -1)
    assert kept == [b"1", b"2", b"3"]
    assert base.stats()["executions_started"] == 1


def test_a_full_server_still_lets_work_leave(base: Database) -> None:
    hand = base.hand()
    tasks = [one(base, hand) for _ in range(3)]
    used = base.client.info("memory")["used_memory"]
    base.client.config_set("maxmemory", used - 1000)
    try:
        assert hand.commit(tasks[0]) == [True]
        assert hand.commit(tasks[1], decision=FAILED) == [True]
        assert hand.commit(tasks[2], decision=Decision(Outcome.COMPLETED, b"1"))
    finally:
        base.client.config_set("maxmemory", 0)
    assert base.stats()["executions_completed"] == 2
    assert len(base.dead()) == 1


@pytest.mark.parametrize("key", ["x:{id}", "by-status:completed"])
def test_what_can_not_be_carried_out_ends_as_a_dead_letter_alone(
    base: Database, key: str
) -> None:
    hand = base.hand()
    tasks = [one(base, hand, payload='{"a":1}') for _ in range(3)]
    # A foreign key in the way: every use of it is an error.
    name = "{t:0}:" + key.replace("{id}", tasks[1].execution_id)
    base.client.set(name, "in the way")
    results = Decision(Outcome.COMPLETED, b"1")
    assert hand.landed(tasks[1], decision=results) == [Landed.REFUSED]
    base.client.delete(name)
    assert hand.commit(tasks[0], tasks[2], decision=results) == [True, True]
    [letter] = base.dead()
    assert letter[b"error_type"] == b"CommitRefused"
    assert letter[b"e:payload"] == b'{"a":1}'
    assert (base.backlog(), base.pending()) == (0, 0)
