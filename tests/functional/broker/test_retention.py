"""Nothing outlives its use: after everything has ended and expired, nothing is left."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.broker.conftest import (
    PARTITION,
    RETENTION,
    TTL_MS,
    Database,
    Hand,
    suspended,
)
from tests.functional.broker.test_children import child_of
from tests.functional.broker.test_commit import FAILED
from workflow_worker.broker.commit import Retention
from workflow_worker.broker.publish import Message, publish
from workflow_worker.model import Decision, Outcome

pytestmark = pytest.mark.usefixtures("books")
FOR_EVER = {"events", "bell", "stats", "routes"}
"""Keys that a partition has as long as it is used; each bounded."""
RESULT = Decision(Outcome.COMPLETED, b"1")


def keys(base: Database) -> set[str]:
    prefix = PARTITION.prefix
    return {k.removeprefix(prefix) for k in base.all_keys() if k.startswith(prefix)}


def mixture(base: Database, hand: Hand) -> None:
    """Some of everything that leaves something behind."""
    base.add("go", id="plain")
    base.add("both", id="fanned")
    base.add("pair", id="paired", key="p")
    base.signal("step", 1, key="p", id="signal")
    base.signal("step", 2, key="early")
    base.signal("step", 3, execution_id="0-never.s")
    base.add("unheard", id="ignored")
    tasks = [*hand.take(20), *hand.take(20)]
    signalled, plain = tasks[-1], [t for t in tasks if t.record is None]
    signalled = next(task for task in tasks if task.record is not None)
    hand.commit(plain[0])
    hand.commit(*plain[1:], decision=RESULT)
    consumed: dict[str, Any] = {"entries": (b"1",), "consumed": ("step",)}
    parent = suspended(
        2, "/1", delay_ms=5000, children=(child_of(signalled),), **consumed
    )
    hand.commit(signalled, decision=parent)
    child = hand.begin()
    hand.append(child, b"1")
    hand.commit(child, decision=Decision(Outcome.COMPLETED, journaled=1))
    base.signal("other", 4, key="p")
    hand.commit(hand.begin(), decision=Decision(Outcome.COMPLETED, b"1", journaled=1))
    hand.cancel(base.waiting(hand, "step", key="cancelled", delay_ms=5000))
    publish(hand.link, PARTITION, [Message("go", b"{}", delay_ms=1000)])
    hand.requeue(base.open(hand, key="put back"), delay_ms=1000)


def finish(base: Database, hand: Hand) -> None:
    while tasks := hand.take(100):
        hand.commit(*tasks, decision=RESULT)


def expire(base: Database) -> None:
    """Let the time pass that the server itself measures."""
    for key in base.all_keys():
        if base.client.pttl(key) > 0:
            assert base.client.pttl(key) <= TTL_MS
            base.client.delete(key)


def test_when_all_has_ended_and_expired_nothing_is_left(base: Database) -> None:
    hand = base.hand()
    mixture(base, hand)
    assert {"x", "j", "early", "late", "once"} <= {
        k.partition(":")[0] for k in keys(base)
    }
    finish(base, base.hand("b", ahead_ms=10_000))
    for round_ahead in range(3):
        base.hand("c", ahead_ms=(2 + round_ahead) * TTL_MS).take()
    expire(base)
    assert keys(base) == FOR_EVER
    assert (base.backlog(), base.pending()) == (0, 0)
    assert base.client.xlen(PARTITION.bell) <= 1100


def test_what_failed_and_what_is_open_stays(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand, key="fails")
    hand.append(task, b"1")
    base.signal("step", 1, key="fails")
    hand.take()
    failed = Decision(Outcome.FAILED, failure=FAILED.failure, journaled=1)
    hand.commit(task, decision=failed)
    waiting = base.waiting(hand, key="waits")
    base.signal("other", 2, key="waits")
    hand.take()
    for ahead in (2, 3):
        base.hand("b", ahead_ms=ahead * TTL_MS).take()
    expire(base)
    assert keys(base) - FOR_EVER == {
        "dead",
        *(f"x:{task.execution_id}", f"j:{task.execution_id}", "by-status:failed"),
        *(f"x:{waiting}", f"in:{waiting}", "open:s:waits", "by-status:waiting"),
    }


def test_many_expired_ones_leave_a_few_a_call(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=TTL_MS + 1)
    for _ in range(50):
        base.add("go")
    hand.commit(*hand.take(100), decision=RESULT)
    left = [50]
    while left[-1]:
        later.take()
        left.append(base.client.zcard(f"{PARTITION.prefix}by-status:completed"))
    assert left == [50, 30, 10, 0]


def test_with_too_many_results_the_oldest_go_first(base: Database) -> None:
    hand = base.hand()
    few = Retention(RETENTION.result_ttl_ms, 2)
    ids = []
    for ahead in range(4):
        base.add("go", id=f"{ahead}")
        task = hand.begin()
        ids.append(task.execution_id)
        base.hand(f"h{ahead}", ahead_ms=ahead)
        [again] = base.hands[-1].claim()
        base.hands[-1].commit(again, decision=RESULT, retention=few)
    assert [bool(base.record(name)) for name in ids] == [False, False, True, True]


def test_a_plain_event_through_a_fan_out_leaves_only_counters(base: Database) -> None:
    hand = base.hand()
    base.add("pair", key="p")
    hand.take()
    hand.commit(*hand.take())
    expire(base)
    assert keys(base) == FOR_EVER


def test_what_was_asked_to_be_kept_is_kept_also_through_a_fan_out(
    base: Database,
) -> None:
    hand = base.hand()
    publish(hand.link, PARTITION, [Message("pair", b"{}", id="7", keep=True)])
    publish(hand.link, PARTITION, [Message("open", b"{}", id="8", keep=True)])
    tasks = [*hand.take(), *hand.take()]
    assert [task.keep for task in tasks] == [True, True, True]
    hand.requeue(*tasks)
    tasks = hand.take()
    hand.commit(*tasks)
    assert {name for name in ("0-7.s", "0-7.w", "0-8.s") if base.record(name)} == {
        "0-7.s",
        "0-7.w",
        "0-8.s",
    }
