"""What is read of executions: one, lists, and whether one is still to come."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.functional.broker.conftest import PARTITION, Database, Hand, suspended
from workflow_worker.broker import executions, listing, queued
from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.executions import Execution
from workflow_worker.errors import ErrorCategory, ExecutionFailed, ExecutionNotFound
from workflow_worker.model import Child, Decision, Failure, Outcome

FAILED = Decision(
    Outcome.FAILED, failure=Failure("transient", "shop.Empty", "no stock", "trace")
)


def look(hand: Hand, execution_id: str) -> Execution:
    return executions.execution(hand.link, PARTITION, execution_id)


def listed(hand: Hand, **how: object) -> list[str]:
    found = listing.newest(hand.link, PARTITION, **how)  # type: ignore[arg-type]
    return [each.id for each in found]


def commit(base: Database, hand: Hand, decision: Decision, **fields: str) -> str:
    """Run one of ``w`` to this end; return its id."""
    base.add("go", **fields)
    task = hand.begin()
    assert hand.commit(task, decision=decision) == [True]
    return task.execution_id


# --- one execution ----------------------------------------------------------------


def test_a_completed_one_shows_its_result(base: Database) -> None:
    hand = base.hand()
    done = Decision(
        Outcome.COMPLETED, result=b'{"a":[1,null]}', state="paid", data=b'{"n":1}'
    )
    found = look(hand, commit(base, hand, done, key="k-1", id="e-1"))
    assert (found.id, found.workflow, found.key) == ("0-e-1.w", "w", "k-1")
    assert (found.status, found.state, found.attempt) == ("completed", "paid", 1)
    assert (found.result, found.error, found.data) == ({"a": [1, None]}, None, {"n": 1})
    assert found.started_at.tzinfo is UTC
    assert found.started_at <= found.updated_at
    assert executions.result_of(found) == {"a": [1, None]}


def test_a_failed_one_shows_why(base: Database) -> None:
    hand = base.hand()
    found = look(hand, commit(base, hand, FAILED))
    assert (found.status, found.result) == ("failed", None)
    assert found.error == {
        "type": "shop.Empty",
        "message": "no stock",
        "category": "transient",
    }
    with pytest.raises(ExecutionFailed, match=r"shop\.Empty: no stock") as failed:
        executions.result_of(found)
    assert failed.value.category is ErrorCategory.TRANSIENT


def test_a_cancelled_one_has_no_result(base: Database) -> None:
    hand = base.hand()
    execution_id = base.waiting(hand, "step")
    assert hand.cancel(execution_id) == "cancelled"
    found = look(hand, execution_id)
    assert (found.status, found.error, found.waiting_for) == ("cancelled", None, [])
    with pytest.raises(ExecutionFailed, match="cancelled") as failed:
        executions.result_of(found)
    assert failed.value.status == "cancelled"


def test_a_waiting_one_shows_for_what_and_until_when(base: Database) -> None:
    hand = base.hand()
    found = look(hand, base.waiting(hand, "step", "other", delay_ms=60_000))
    assert (found.status, found.waiting_for) == ("waiting", ["step", "other"])
    assert found.due_at is not None
    assert found.due_at > found.updated_at
    forever = look(hand, base.waiting(hand, "step", key="k-2"))
    assert forever.due_at is None


def test_a_sleeping_one_waits_for_nothing_but_the_time(base: Database) -> None:
    hand = base.hand()
    base.add("go")
    task = hand.begin()
    hand.commit(task, decision=suspended(1, delay_ms=60_000))
    found = look(hand, task.execution_id)
    assert (found.waiting_for, found.due_at is None) == ([], False)


def test_one_that_was_woken_waits_for_nothing(base: Database) -> None:
    hand = base.hand()
    execution_id = base.waiting(hand, "step", delay_ms=60_000)
    base.signal("step", 1, key="k")
    assert hand.take() == []  # delivered; its wake comes next
    found = look(hand, execution_id)
    assert (found.status, found.waiting_for, found.due_at) == ("running", [], None)


def test_a_parent_waits_for_the_id_of_its_child(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    child = f"{task.execution_id}/1"
    started = Child(child, "w", b"{}", "", "1")
    decision = suspended(2, "/1", children=(started,))
    assert hand.commit(task, decision=decision) == [True]
    assert look(hand, task.execution_id).waiting_for == [child]
    assert look(hand, child).parent == task.execution_id


def test_history_is_in_program_order_and_survives_what_it_does_not_know(
    base: Database,
) -> None:
    hand = base.hand()
    base.add("go")
    task = hand.begin()
    error = {"type": "E", "message": "m", "category": "c"}
    entries = (
        {"ordinal": 2, "kind": "action", "name": "pack", "attempt": 3, "error": error},
        {
            "ordinal": 1,
            "kind": "action",
            "name": "charge",
            "result": [1],
            "started_ms": 1_700_000_000_000,
            "duration_ms": 12.5,
        },
        {"ordinal": 3, "kind": "from a newer version", "name": "", "field": {"x": 1}},
    )
    hand.append(task, *(json.dumps(entry).encode() for entry in entries), b"garbage")
    found = look(hand, task.execution_id).history
    assert [entry.kind for entry in found] == [
        *("unreadable", "action", "action", "from a newer version")
    ]
    unreadable, charge, pack, _ = found
    assert unreadable.error is not None
    assert (charge.name, charge.result, charge.error) == ("charge", [1], None)
    assert charge.started_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert (charge.duration_ms, charge.attempt) == (12.5, 1)
    assert (pack.started_at, pack.attempt) == (None, 3)
    assert pack.error == error


def test_one_without_a_record_is_not_found(base: Database) -> None:
    with pytest.raises(ExecutionNotFound, match="keep"):
        look(base.hand(), "0-e-1.w")


def test_as_json_it_has_exactly_the_fields_of_the_contract(base: Database) -> None:
    hand = base.hand()
    found = look(hand, commit(base, hand, FAILED))
    head = [
        *("id", "workflow", "version", "key", "status", "state", "attempt", "result"),
        *("error", "startedAt", "updatedAt", "waitingFor"),
    ]
    assert list(found.as_listed()) == head
    assert list(found.as_object()) == [*head, "dueAt", "data", "parent", "history"]
    shown = json.loads(json.dumps(found.as_object()))
    assert (shown["state"], shown["parent"], shown["dueAt"]) == (None, None, None)
    assert datetime.fromisoformat(shown["startedAt"]) == found.started_at
    assert shown["startedAt"].endswith("Z")


# --- lists ------------------------------------------------------------------------


def test_lists_begin_with_the_last_changed(base: Database) -> None:
    hand = base.hand()
    kept = Decision(Outcome.COMPLETED, result=b"1")
    done = [commit(base, hand, kept, id=f"e-{i}") for i in range(3)]
    waiting = base.waiting(hand, "step")
    scores = {name: 1000 * i for i, name in enumerate([done[1], done[0], done[2]])}
    base.client.zadd(PARTITION.by_status("completed"), scores)
    base.client.zadd(PARTITION.by_status("waiting"), {waiting: 1500})
    assert listed(hand) == [done[2], waiting, done[0], done[1]]
    assert listed(hand, limit=2) == [done[2], waiting]
    assert listed(hand, limit=0) == []


def test_lists_hold_what_was_asked_for(base: Database) -> None:
    hand = base.hand()
    failed = commit(base, hand, FAILED, key="k-1")
    waiting = base.waiting(hand, "step", key="k-1")
    other = base.waiting(hand, "step", key="k-2")
    assert listed(hand, status="failed") == [failed]
    assert listed(hand, workflow="s", key="k-1") == [waiting]
    assert set(listed(hand, workflow="s")) == {waiting, other}
    assert set(listed(hand, key="k-1")) == {failed, waiting}
    assert listed(hand, status="failed", workflow="s") == []
    assert listed(hand, key="k") == []


def test_a_long_list_is_whole_though_many_changed_in_one_moment(
    base: Database,
) -> None:
    hand = base.hand()
    names = [f"0-e-{i:03}.w" for i in range(3 * listing.PAGE + 7)]
    for i, name in enumerate(names):
        record = {"status": "completed", "workflow": "w", "key": str(i % 2)}
        base.client.hset(PARTITION.record(name), mapping=record)
        # Two hundred and fifty of the same millisecond, others after them.
        base.client.zadd(PARTITION.by_status("completed"), {name: max(i, 250)})
    # As if it had been running when the first page was read.
    base.client.zadd(PARTITION.by_status("running"), {names[-1]: 1})
    assert listed(hand, limit=1000) == names[::-1]
    assert listed(hand, limit=1000, key="1") == names[1::2][::-1]
    assert listed(hand, limit=120) == names[::-1][:120]


def test_one_that_changes_meanwhile_is_listed_once_and_as_it_is(
    base: Database,
) -> None:
    hand = base.hand()
    failed = commit(base, hand, FAILED)
    base.client.zadd(PARTITION.by_status("waiting"), {failed: 1})
    assert listed(hand) == [failed]
    assert listed(hand, status="waiting") == []


def test_no_such_status_is_refused_with_those_there_are(base: Database) -> None:
    with pytest.raises(ValueError, match="'done', but must be one of running, waiting"):
        listed(base.hand(), status="done")


# --- still to come ----------------------------------------------------------------


def queues(hand: Hand, execution_id: str) -> bool:
    wanted = queued.starting(PARTITION, execution_id)
    return bool(queued.find(hand.link, PARTITION, wanted))


@pytest.mark.parametrize("fields", [{}, {"id": "e.1-2.x"}])
def test_an_event_is_found_wherever_it_is_queued(
    base: Database, fields: dict[str, str]
) -> None:
    hand = base.hand()
    for _ in range(25):  # more than one page before it
        base.add("other")
    entry = base.add("go", **fields)
    execution_id = f"0-{fields.get('id', entry)}.w"
    assert queues(hand, execution_id)
    [task] = hand.take(100)
    assert queues(hand, execution_id)
    hand.requeue(task, delay_ms=60_000)
    assert base.backlog() == 0
    assert queues(hand, execution_id)
    later = base.hand("b", ahead_ms=60_001)
    assert queues(hand, execution_id)
    [again] = later.take()
    assert again.execution_id == execution_id
    assert later.commit(again) == [True]
    assert not queues(hand, execution_id)


Command = tuple[str | bytes | int, ...]


class Watched(Link):
    """A link whose commands are seen before they are sent."""

    def __init__(self, url: str, seen: Callable[[Command], object]) -> None:
        super().__init__(url)
        self._seen = seen

    def call(self, *command: str | bytes | int, block: float = 0.0) -> Reply:
        self._seen(command)
        return super().call(*command, block=block)


def test_an_event_is_found_though_its_timer_fires_meanwhile(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=60_001)
    base.add("go", id="e-1")
    hand.requeue(*hand.take(), delay_ms=60_000)
    link = Watched(base.server.url, lambda c: later.take() if c[0] == "HSCAN" else 0)
    wanted = queued.starting(PARTITION, "0-e-1.w")
    assert queued.find(link, PARTITION, wanted)
    assert base.client.hlen(PARTITION.timer_data) == 0
    link.close()


def test_a_copy_is_queued_only_for_the_workflow_it_was_routed_to(
    base: Database,
) -> None:
    hand = base.hand()
    base.add("both", id="e-1")
    hand.take()  # two copies, one entry each
    tasks = hand.take()
    assert queues(hand, "0-e-1.w")
    hand.commit(*(task for task in tasks if task.workflow == "w"))
    assert not queues(hand, "0-e-1.w")
    assert queues(hand, "0-e-1.v")


@pytest.mark.parametrize("other", ["0-e-1.w", "0-e-12.w", "1-e.w", "0-e.w/1", "e"])
def test_another_event_is_not_taken_for_it(base: Database, other: str) -> None:
    base.add("go", id="e")
    assert not queues(base.hand(), other)


def test_the_hint_is_only_a_hint(base: Database) -> None:
    hand = base.hand()
    entry = base.add("go", id="e-1")
    wanted = queued.event("e-1")
    for hint in ("", "1-1", entry, "no entry", "9" * 30 + "-1"):
        assert queued.find(hand.link, PARTITION, wanted, hint) == entry


def test_large_events_are_read_one_by_one_and_small_ones_many_at_once(
    base: Database,
) -> None:
    commands: list[Command] = []
    link = Watched(base.server.url, commands.append)
    for size in (*[queued.PAGE_BYTES] * 30, *[1] * 300):
        base.add("other", payload="x" * size)
    base.add("go", id="e-1")
    wanted = queued.starting(PARTITION, "0-e-1.w")
    assert queued.find(link, PARTITION, wanted)
    counts = [command[-1] for command in commands]
    assert counts == [10, *[1] * 21, *[queued.MOST] * 3]
    link.close()
