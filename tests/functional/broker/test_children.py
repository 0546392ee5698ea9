"""Children: started by a commit, and their end always told to the parent's inbox."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.functional.broker.conftest import (
    DONE,
    PARTITION,
    Database,
    Hand,
    received,
    suspended,
)
from tests.functional.broker.test_commit import FAILED
from workflow_worker.broker import letters
from workflow_worker.model import Child, Decision, Outcome, Task

pytestmark = pytest.mark.usefixtures("books")


def child_of(task: Task, mark: str = "1", workflow: str = "w", **how: Any) -> Child:
    execution_id = f"{task.execution_id}/{mark}"
    payload, key = how.get("payload", b'{"c":1}'), how.get("key", "")
    return Child(execution_id, workflow, payload, key, mark)


def parent(
    base: Database,
    hand: Hand,
    *names: str,
    delay_ms: int | None = None,
    **child: Any,
) -> Task:
    """A parent that waits for these names, and has started a child."""
    base.add("go", id="7")
    task = hand.begin()
    started = (child_of(task, **child),)
    more: dict[str, Any] = {
        "children": started,
        "entries": (b"1",),
        "delay_ms": delay_ms,
    }
    wait = suspended(2, *(names or ("/1",)), **more)
    assert hand.commit(task, decision=wait) == [True]
    return task


def result_of(wake: Task) -> dict[str, str]:
    pairs = iter(field.decode() for field in wake.inbox[0].fields)
    return dict(zip(pairs, pairs, strict=True))


def test_a_child_begins_with_a_record_and_one_wake(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    record = base.record("0-7.w/1")
    assert (record["workflow"], record["status"]) == ("w", "running")
    assert (record["parent"], record["mark"]) == ("0-7.w", "1")
    child = hand.begin()
    assert (child.execution_id, child.workflow) == ("0-7.w/1", "w")
    assert child.event is not None
    assert (child.event.name, child.event.payload) == ("w", {"c": 1})
    assert (child.event.id, child.event.key) == ("0-7.w/1", "0-7.w/1")
    assert not child.counts
    hand.commit(child)
    stats = base.stats()
    assert (stats["events_succeeded"], stats["executions_started"]) == (1, 2)


def test_a_child_may_have_a_key(base: Database) -> None:
    hand = base.hand()
    parent(base, hand, key="k")
    child = hand.begin()
    assert child.event is not None
    assert child.event.key == "k"


def test_a_former_owner_starts_none(base: Database) -> None:
    former, owner = base.hand("a"), base.hand("b")
    base.add("go")
    [task] = former.take()
    owner.claim()
    wait = suspended(2, "/1", children=(child_of(task),))
    assert former.commit(task, decision=wait) == [False]
    assert (base.wakes(), base.stats()) == ([], {})


def test_its_result_wakes_the_parent(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    child = hand.begin()
    hand.commit(child, decision=Decision(Outcome.COMPLETED, b'{"r":2}'))
    wake = hand.begin()
    assert wake.execution_id == "0-7.w"
    assert [item.name for item in wake.inbox] == ["/1"]
    assert result_of(wake) == {"status": "completed", "result": '{"r":2}'}


def test_a_result_is_no_signal_in_the_books(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    hand.commit(hand.begin(), decision=Decision(Outcome.COMPLETED, b"1"))
    wake = hand.begin()
    hand.append(wake, b"2", at=1, consumed=("/1",))
    hand.commit(wake, decision=Decision(Outcome.COMPLETED, journaled=2))
    assert not [name for name in base.stats() if name.startswith("signals_")]


def test_a_child_that_leaves_no_record_still_tells(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    hand.commit(hand.begin(), decision=DONE)
    assert not base.record("0-7.w/1")
    assert result_of(hand.begin()) == {"status": "completed"}


def test_its_failure_is_told(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    hand.commit(hand.begin(), decision=FAILED)
    assert result_of(hand.begin()) == {
        "status": "failed",
        "error_type": "ValueError",
        "message": "no",
        "category": "permanent",
    }
    assert base.dead()[0][b"execution_id"] == b"0-7.w/1"


@pytest.mark.parametrize("running", [True, False])
def test_its_cancellation_is_told(base: Database, *, running: bool) -> None:
    hand = base.hand()
    parent(base, hand)
    child = hand.begin()
    if not running:
        hand.commit(child, decision=suspended(1, "step"))
    hand.cancel(child.execution_id)
    if running:
        hand.commit(child, decision=Decision(Outcome.COMPLETED, b"1"))
    assert result_of(hand.begin()) == {"status": "cancelled"}


def test_a_parent_that_does_not_wait_yet_finds_it_later(base: Database) -> None:
    hand = base.hand()
    parent(base, hand, "step", delay_ms=60_000)
    hand.commit(hand.begin())
    assert base.record("0-7.w")["status"] == "waiting"
    later = base.hand("b", ahead_ms=60_001)
    wake = later.begin()
    assert [item.name for item in wake.inbox] == ["/1"]
    later.commit(wake, decision=suspended(3, "/1", journaled=1))
    assert base.wakes() == ["0-7.w"]


def test_a_parent_that_runs_finds_it_at_its_next_wait(base: Database) -> None:
    hand = base.hand()
    task = parent(base, hand, "/1", "/3")
    hand.commit(hand.begin())
    [wake] = hand.take()
    gone: dict[str, Any] = {"entries": (b"2",), "consumed": ("/1",), "journaled": 1}
    more: dict[str, Any] = {"children": (child_of(task, "3"), child_of(task, "4"))}
    hand.commit(wake, decision=suspended(5, "/3", **gone, **more))
    third, fourth = hand.take()
    hand.commit(third)
    [wake] = hand.take()
    hand.commit(fourth)
    gone |= {"consumed": ("/3",), "journaled": 2}
    hand.commit(wake, decision=suspended(6, "/4", **gone))
    assert [item.name for item in hand.begin().inbox] == ["/4"]


def test_a_result_fits_into_a_full_inbox(base: Database) -> None:
    hand = base.hand(inbox_limit=1)
    task = base.open(hand, id="7")
    hand.commit(task, decision=suspended(2, "/1", children=(child_of(task),)))
    child = hand.begin()
    base.signal("step", 1, execution_id=task.execution_id)
    hand.take()
    hand.commit(child)
    assert [item.name for item in hand.begin().inbox] == ["step", "/1"]


def test_a_parent_that_has_completed_hears_nothing(base: Database) -> None:
    hand = base.hand()
    parent(base, hand, delay_ms=60_000)
    child = hand.begin()
    later = base.hand("b", ahead_ms=60_001)
    done = Decision(Outcome.COMPLETED, b"1", journaled=1)
    assert later.commit(later.begin(), decision=done) == [True]
    assert hand.commit(child) == [True]
    assert base.record("0-7.w")["status"] == "completed"
    assert not base.client.exists(f"{PARTITION.prefix}in:0-7.w")


def test_a_parent_that_went_on_as_new_hears_nothing_of_old_children(
    base: Database,
) -> None:
    hand = base.hand()
    task = parent(base, hand, "/1")
    first = hand.begin()
    hand.commit(first)
    wake = hand.begin()
    second = child_of(task, "2")
    continued = Decision(Outcome.CONTINUED, journaled=1, children=(second,))
    hand.commit(wake, decision=continued)
    [second_task, again] = hand.take()
    assert second_task.execution_id == second.execution_id
    assert again.inbox == (), "what was told before is gone as well"
    hand.commit(second_task)
    third = child_of(task, "1.1")
    hand.commit(again, decision=suspended(2, "/2", "/1.1", children=(third,)))
    assert base.record(task.execution_id)["status"] == "waiting"
    hand.commit(hand.begin())
    assert [item.name for item in hand.begin().inbox] == ["/1.1"]


def test_a_child_that_takes_signals_is_open_from_its_start(base: Database) -> None:
    hand = base.hand()
    base.signal("step", 1, key="k")
    base.signal("step", 2, execution_id="0-7.w/1")
    hand.take()
    parent(base, hand, workflow="s", key="k")
    base.signal("step", 3, key="k")
    child = hand.begin()
    assert [payload for _, payload in received(child)] == ['{"n":1}', '{"n":2}']
    hand.commit(child, decision=suspended(1, "other"))
    base.signal("other", 4, key="k")
    hand.take()
    assert len(hand.begin().inbox) == 4


def test_a_child_is_started_once_even_if_its_start_is_asked_for_again(
    base: Database,
) -> None:
    """As when a retry dropped the journal from an ordinal before it."""
    hand = base.hand()
    task = parent(base, hand)
    hand.commit(hand.begin(), decision=Decision(Outcome.COMPLETED, b"5"))
    wake = hand.begin()
    gone: dict[str, Any] = {"entries": (b"2",), "consumed": ("/1",), "journaled": 1}
    again = suspended(2, "/1", children=(child_of(task),), **gone)
    hand.commit(wake, decision=again)
    told = hand.begin()
    assert told.execution_id == "0-7.w"
    assert result_of(told) == {"status": "completed", "result": "5"}
    assert base.stats()["executions_started"] == 2


def test_a_child_that_still_runs_is_not_started_again(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=60_001)
    base.add("go", id="7")
    task = hand.begin()
    wait = suspended(2, "/1", delay_ms=60_000, children=(child_of(task),))
    hand.commit(task, decision=wait)
    child = hand.begin()
    hand.append(child, b"1")
    later.commit(later.begin(), decision=wait)
    assert base.wakes() == ["0-7.w/1"]
    assert hand.commit(child, decision=Decision(Outcome.COMPLETED, journaled=1))
    assert base.stats()["executions_started"] == 2


ENDS = {
    "completed": Decision(Outcome.COMPLETED, b"5"),
    "failed": FAILED,
    "cancelled": Decision(Outcome.CANCELLED),
}


def purged(base: Database, hand: Hand, parent_id: str = "0-7.w") -> None:
    """Its letter is purged, and with it the parent; its event may come again."""
    [letter] = [
        letter_id
        for letter_id, fields in base.client.xrange(PARTITION.dead)
        if fields[b"execution_id"].decode() == parent_id
    ]
    assert letters.purge(hand.link, PARTITION, [letter.decode()]) == [2]
    assert not base.record(parent_id)
    base.client.delete(f"{PARTITION.prefix}once:7")


def parent_that_fails(base: Database, hand: Hand) -> Task:
    """A parent that fails after it has started a child; returns what the child is."""
    later = base.hand("b", ahead_ms=60_001)
    parent(base, hand, delay_ms=60_000)
    child = hand.begin()
    failed = msgspec.structs.replace(FAILED, journaled=1)
    assert later.commit(later.begin(), decision=failed) == [True]
    return child


@pytest.mark.parametrize("before", [True, False], ids=["told", "nobody to tell"])
@pytest.mark.parametrize("end", ENDS)
def test_a_purged_parent_that_runs_again_hears_of_a_child_that_has_ended(
    base: Database, end: str, *, before: bool
) -> None:
    hand = base.hand()
    child = parent_that_fails(base, hand)
    if before:
        hand.commit(child, decision=ENDS[end])
        purged(base, hand)
    else:
        purged(base, hand)
        hand.commit(child, decision=ENDS[end])
    assert base.wakes() == []
    base.add("go", id="7")
    task = hand.begin()
    assert (task.execution_id, task.journal, task.inbox) == ("0-7.w", (), ())
    wait = suspended(2, "/1", children=(child_of(task),), entries=(b"1",))
    assert hand.commit(task, decision=wait) == [True]
    assert base.wakes() == ["0-7.w"], "it goes on, and no second child begins"
    told = hand.begin()
    assert result_of(told)["status"] == end
    assert base.stats()["executions_started"] == 3
    gone: dict[str, Any] = {"entries": (b"2",), "consumed": ("/1",), "journaled": 1}
    hand.commit(told, decision=Decision(Outcome.COMPLETED, b"1", **gone))
    assert base.record("0-7.w/1")["status"] == end
    assert not base.client.exists(f"{PARTITION.prefix}in:0-7.w")


def test_a_purged_parent_that_runs_again_hears_of_a_child_that_still_runs(
    base: Database,
) -> None:
    hand = base.hand()
    child = parent_that_fails(base, hand)
    purged(base, hand)
    base.add("go", id="7")
    task = hand.begin()
    hand.commit(task, decision=suspended(2, "/1", children=(child_of(task),)))
    assert base.wakes() == [child.execution_id], "the one it is running on"
    hand.commit(child, decision=ENDS["completed"])
    assert result_of(hand.begin()) == {"status": "completed", "result": "5"}


@pytest.mark.parametrize("kept", [True, False])
def test_a_purged_parent_that_asks_no_more_leaves_nothing_behind(
    base: Database, *, kept: bool
) -> None:
    hand = base.hand()
    hand.commit(parent_that_fails(base, hand), decision=ENDS["completed"])
    purged(base, hand)
    base.add("go", id="7")
    task = hand.begin()
    result = b"1" if kept else None
    done = Decision(Outcome.COMPLETED, result, children=(child_of(task),))
    assert hand.commit(task, decision=done) == [True]
    assert bool(base.record("0-7.w")) is kept
    assert not base.client.exists(f"{PARTITION.prefix}in:0-7.w")
    assert (base.wakes(), base.backlog()) == ([], 0)
