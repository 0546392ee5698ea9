"""renew, claim, adopt, requeue, leave: who owns an entry, and how it changes hands."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import PARTITION, Database
from tests.servers import wait_until

pytestmark = pytest.mark.usefixtures("books")


def test_renewal_resets_the_idle_time_and_keeps_the_count(base: Database) -> None:
    hand, other = base.hand("a"), base.hand("b")
    base.add()
    [task] = hand.take()
    wait_until(
        lambda: (
            base.client.xpending_range(PARTITION.events, "workers", "-", "+", 1)[0][
                "time_since_delivered"
            ]
            > 50
        )
    )
    assert hand.renew(task) == [True]
    assert other.claim(lease_ms=50) == []
    assert hand.commit(task) == [True]


def test_renewal_does_not_steal_back(base: Database) -> None:
    former, owner = base.hand("a"), base.hand("b")
    base.add()
    [task] = former.take()
    [again] = owner.claim()
    assert former.renew(task) == [False]
    assert owner.renew(again) == [True]
    assert owner.commit(again) == [True]


def test_a_lease_taken_and_returned_to_the_same_name_is_another(
    base: Database,
) -> None:
    first, second = base.hand("a"), base.hand("b")
    base.add()
    [task] = first.take()
    second.claim()
    [again] = first.claim()
    assert first.renew(task) == [False]
    assert first.commit(task) == [False]
    assert again.count == 3
    assert first.commit(again) == [True]


def test_a_claim_passes_over_the_callers_own_entries(base: Database) -> None:
    hand = base.hand("a")
    base.add()
    hand.take()
    assert hand.claim() == []


def test_a_claim_waits_for_the_lease(base: Database) -> None:
    base.add()
    base.hand("a").take()
    assert base.hand("b").claim(lease_ms=60_000) == []


def test_a_claim_takes_no_more_than_it_can_use(base: Database) -> None:
    for _ in range(5):
        base.add()
    base.hand("a").take()
    assert len(base.hand("b").claim(2)) == 2
    assert len(base.hand("b").claim(10)) == 3


def test_a_silent_owner_left_with_nothing_is_deleted(base: Database) -> None:
    base.add()
    base.add()
    base.hand("a").take()
    other = base.hand("b")
    other.claim(1)
    names = {
        c["name"] for c in base.client.xinfo_consumers(PARTITION.events, "workers")
    }
    assert names == {b"a", b"b"}
    other.claim(1)
    names = {
        c["name"] for c in base.client.xinfo_consumers(PARTITION.events, "workers")
    }
    assert names == {b"b"}


def test_an_entry_deleted_under_its_owner_does_not_stay_pending(
    base: Database,
) -> None:
    entry = base.add()
    base.hand("a").take()
    base.client.xdel(PARTITION.events, entry)
    assert base.hand("b").claim() == []
    assert base.pending() == 0


def test_adoption_counts_what_was_started_and_nothing_else(base: Database) -> None:
    for _ in range(3):
        base.add()
    tasks = base.hand("dead").take()
    heir = base.hand("heir")
    adopted = heir.adopt("dead", started=[tasks[1].entry])
    assert [(task.entry, task.count) for task in adopted] == [
        (tasks[0].entry, 1),
        (tasks[1].entry, 2),
        (tasks[2].entry, 1),
    ]
    assert heir.commit(*adopted) == [True] * 3
    consumers = base.client.xinfo_consumers(PARTITION.events, "workers")
    assert [consumer["name"] for consumer in consumers] == [b"heir"]


def test_a_death_the_master_ordered_counts_no_delivery(base: Database) -> None:
    base.add()
    [task] = base.hand("dead").take()
    heir = base.hand("heir")
    [again] = heir.adopt("dead")
    assert (again.entry, again.count) == (task.entry, 1)


def test_adoption_leaves_what_somebody_claimed_meanwhile(base: Database) -> None:
    base.add()
    dead = base.hand("dead")
    [task] = dead.take()
    [claimed] = base.hand("b").claim()
    assert base.hand("heir").adopt("dead", started=[task.entry]) == []
    assert base.hand("b").commit(claimed) == [True]


def test_a_former_owner_is_fenced_after_an_uncounted_adoption(base: Database) -> None:
    base.add()
    dead = base.hand("dead")
    [task] = dead.take()
    [again] = base.hand("heir").adopt("dead")
    assert again.count == task.count
    assert dead.commit(task) == [False]
    assert dead.requeue(task) == [False]
    assert dead.renew(task) == [False]


def test_a_take_whose_reply_was_lost_is_found_again(base: Database) -> None:
    for _ in range(3):
        base.add(id=f"i-{_}")
    hand = base.hand("a")
    [held, *lost] = hand.take()
    found = hand.adopt("a", held=[held.entry])
    assert [task.entry for task in found] == [task.entry for task in lost]
    assert [task.count for task in found] == [1, 1]


def test_what_is_given_back_unrun_runs_elsewhere_as_new(base: Database) -> None:
    entry = base.add(key="k", payload='{"a":1}', headers='{"h":1}')
    former, other = base.hand("a"), base.hand("b")
    assert former.requeue(*former.take()) == [True]
    [task] = other.take()
    assert task.execution_id == f"0-{entry}.w"
    assert (task.count, task.deliveries) == (1, 1)
    assert task.event is not None
    assert (task.event.id, task.event.key) == (entry, "k")
    assert task.event.headers == {"h": 1}
    assert other.commit(task) == [True]
    assert base.stats()["events_succeeded"] == 1


def test_a_copy_carries_the_deliveries_so_far(base: Database) -> None:
    base.add()
    base.hand("a").take()
    second = base.hand("b")
    [task] = second.claim()
    second.requeue(task)
    [copy] = second.take()
    assert (copy.count, copy.deliveries) == (1, 2)
    second.requeue(copy)
    [copy] = base.hand("c").take()
    assert (copy.count, copy.deliveries) == (1, 2)


def test_a_former_owner_gives_nothing_back(base: Database) -> None:
    base.add()
    former = base.hand("a")
    [task] = former.take()
    base.hand("b").claim()
    assert former.requeue(task) == [False]
    assert base.backlog() == 1


def test_a_given_back_event_with_an_id_is_not_a_duplicate(base: Database) -> None:
    base.add(id="once")
    hand = base.hand()
    hand.requeue(*hand.take())
    assert [task.execution_id for task in hand.take()] == ["0-once.w"]


def test_a_put_back_waits_in_the_timers_and_comes_whole(base: Database) -> None:
    entry = base.add(payload='{"a":1}')
    hand = base.hand()
    hand.requeue(*hand.take(), delay_ms=80)
    assert (base.backlog(), base.pending()) == (0, 0)
    taken = hand.taken()
    assert taken.tasks == []
    assert 0 < taken.next_timer_ms <= 80
    [task] = wait_until(hand.take)
    assert task.event is not None
    assert (task.event.id, task.event.payload) == (entry, {"a": 1})
    assert 80 <= task.waited_ms < 60_000
    assert base.client.zcard(PARTITION.timers) == 0
    assert not base.client.exists("{t:0}:timer-data")


def test_an_earlier_timer_rings_the_bell(base: Database) -> None:

    hand = base.hand()
    base.add()
    tasks = hand.take()
    hand.take()
    hand.hears(1)
    hand.requeue(*tasks, delay_ms=60_000)
    assert hand.hears(1000)


def test_a_consumer_leaves_only_with_empty_hands(base: Database) -> None:
    from workflow_worker.broker import claim

    hand = base.hand("a")
    base.add()
    tasks = hand.take()
    assert not claim.leave(hand.link, hand.owner)
    hand.commit(*tasks)
    assert claim.leave(hand.link, hand.owner)
    assert base.client.xinfo_consumers(PARTITION.events, "workers") == []
