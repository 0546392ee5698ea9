"""The quarantine lock, and what a put-back tells of how a worker ended."""

from __future__ import annotations

import msgspec
import pytest

from tests.functional.broker.conftest import Database, Hand
from tests.servers import wait_until
from workflow_worker.broker import claim, quarantine
from workflow_worker.model import PutBack, Task

pytestmark = pytest.mark.usefixtures("books")
LOCK = "{t:0}:quarantine"


def hold(hand: Hand, lease_ms: int = 60_000) -> bool:
    return quarantine.hold(hand.link, hand.owner, lease_ms)


def release(hand: Hand) -> bool:
    return quarantine.release(hand.link, hand.owner)


def test_one_consumer_holds_the_quarantine_at_a_time(base: Database) -> None:
    one, other = base.hand("a"), base.hand("b")
    assert hold(one)
    assert not hold(other)
    assert release(one)
    assert hold(other)


def test_only_its_owner_lets_go_of_the_quarantine(base: Database) -> None:
    one, other = base.hand("a"), base.hand("b")
    hold(one)
    assert not release(other)
    assert base.client.get(LOCK) == b"a"


def test_holding_it_again_keeps_the_quarantine_longer(base: Database) -> None:
    one = base.hand("a")
    assert hold(one, 5000)
    assert base.client.pttl(LOCK) <= 5000
    assert hold(one, 60_000)
    assert 5000 < base.client.pttl(LOCK) <= 60_000


def test_a_quarantine_that_nobody_keeps_runs_out(base: Database) -> None:
    one, other = base.hand("a"), base.hand("b")
    hold(one, 50)
    wait_until(lambda: hold(other))
    assert not release(one)
    assert release(other)


def test_who_is_adopted_from_holds_the_quarantine_no_more(base: Database) -> None:
    dead, living = base.hand("dead"), base.hand("living")
    base.add()
    [task] = dead.take()
    hold(dead)
    [again] = base.hand("heir").adopt("dead", started=[task.entry])
    assert again.count == 2
    assert hold(living)


def test_who_is_claimed_from_holds_the_quarantine_no_more(base: Database) -> None:
    dead, other = base.hand("dead"), base.hand("other")
    base.add()
    dead.take()
    hold(dead)
    assert len(other.claim()) == 1
    assert hold(other)


def test_what_is_left_to_adopt_keeps_the_quarantine(base: Database) -> None:
    dead, heir = base.hand("dead"), base.hand("heir")
    base.add()
    base.add()
    dead.take()
    hold(dead)
    heir.claim(1)
    assert not hold(heir)


def test_a_consumer_that_leaves_lets_go_of_the_quarantine(base: Database) -> None:
    one = base.hand("a")
    base.add()
    [task] = one.take()
    hold(one)
    assert not claim.leave(one.link, one.owner)
    assert base.client.get(LOCK) == b"a"
    one.commit(task)
    assert claim.leave(one.link, one.owner)
    assert not base.client.exists(LOCK)


def put_back(hand: Hand, task: Task, why: PutBack) -> None:
    assert claim.requeue(hand.link, hand.owner, [task], 0, why) == [True]


def test_how_a_worker_ended_survives_put_backs(base: Database) -> None:
    hand = base.hand()
    base.add()
    task = msgspec.structs.replace(hand.begin(), exit="SIGSEGV")
    put_back(hand, task, PutBack.SUSPECT)
    task = hand.begin()
    assert task.exit == "SIGSEGV"
    put_back(hand, task, PutBack.DRAIN)
    assert hand.begin().exit == "SIGSEGV"


def test_how_a_worker_ended_survives_the_put_back_of_a_wake(base: Database) -> None:
    hand = base.hand()
    execution_id = base.waiting(hand, "step")
    base.signal("step", 1, key="k")
    assert hand.take() == []
    task = msgspec.structs.replace(hand.begin(), exit="exit status 3")
    assert task.execution_id == execution_id
    put_back(hand, task, PutBack.FLOOD)
    again = hand.begin()
    assert (again.exit, again.put_back) == ("exit status 3", PutBack.FLOOD)
    assert again.waited_ms >= 0


def test_waiting_begins_anew_when_it_is_for_another_reason(base: Database) -> None:
    hand, later = base.hand(), base.hand(ahead_ms=1_000_000)
    base.add()
    put_back(hand, hand.begin(), PutBack.FLOOD)
    task = later.begin()
    assert (task.put_back, task.waited_ms >= 1_000_000) == (PutBack.FLOOD, True)
    put_back(later, task, PutBack.FLOOD)
    task = later.begin()
    assert task.waited_ms >= 1_000_000
    put_back(later, task, PutBack.UNKNOWN)
    task = later.begin()
    assert (task.put_back, task.waited_ms < 1_000_000) == (PutBack.UNKNOWN, True)
