"""A signal to very many executions goes out in pages, and nothing overtakes it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.functional.broker.conftest import Database, Hand, received, suspended
from workflow_worker.model import Task

pytestmark = pytest.mark.usefixtures("books")
MANY = 230


@pytest.fixture
def hand(base: Database) -> Hand:
    return base.hand()


@pytest.fixture
def crowd(base: Database, hand: Hand) -> list[Task]:
    """Many running executions with one key."""
    for number in range(MANY):
        base.add("open", key="k", id=f"{number}")
    return hand.take(MANY)


def drain(hand: Hand) -> list[Task]:
    """Take until nothing is left to do."""
    tasks = []
    while True:
        taken = hand.taken(1000)
        tasks += taken.tasks
        if not taken.tasks and not taken.succeeded and taken.next_timer_ms != 0:
            return tasks


def numbers(task: Task) -> list[str]:
    return [payload for _, payload in received(task)]


def test_every_one_of_them_gets_it_and_few_a_call(
    base: Database, hand: Hand, crowd: list[Task]
) -> None:
    hand.commit(*crowd, decision=suspended(1, "step"))
    base.signal("step", 1, key="k")
    delivered, wakes = [0], list[Task]()
    while delivered[-1] < MANY:
        wakes += hand.take(1)
        delivered.append(base.stats().get("signals_delivered", 0))
    grown = [after - before for before, after in pairwise(delivered)]
    assert max(grown) <= 100
    wakes += drain(hand)
    assert len({wake.execution_id for wake in wakes}) == MANY
    assert all(numbers(wake) == ['{"n":1}'] for wake in wakes)


def test_while_it_is_on_its_way_take_says_to_come_again(
    base: Database, hand: Hand, crowd: list[Task]
) -> None:
    base.signal("step", 1, key="k")
    assert hand.taken().succeeded == 1
    assert [hand.taken().next_timer_ms for _ in range(3)] == [0, 0, -1]


def test_no_later_signal_overtakes_it(
    base: Database, hand: Hand, crowd: list[Task]
) -> None:
    chosen = [crowd[0].execution_id, crowd[-1].execution_id]
    base.signal("step", 1, key="k")
    base.signal("step", 2, execution_id=chosen[0])
    base.signal("step", 3, execution_id=chosen[1])
    base.signal("step", 4, key="k")
    base.signal("step", 5, execution_id=chosen[1])
    drain(hand)
    hand.commit(*crowd, decision=suspended(1, "step"))
    found = {wake.execution_id: numbers(wake) for wake in drain(hand)}
    assert len(found) == MANY
    assert found.pop(chosen[0]) == [f'{{"n":{number}}}' for number in (1, 2, 4)]
    assert found.pop(chosen[1]) == [f'{{"n":{number}}}' for number in (1, 3, 4, 5)]
    assert all(got == ['{"n":1}', '{"n":4}'] for got in found.values())


def test_what_waits_behind_it_is_not_overtaken_either(
    base: Database, hand: Hand, crowd: list[Task]
) -> None:
    other = base.open(hand, key="other")
    base.signal("step", 1, key="k")
    base.signal("step", 2, execution_id=other.execution_id)
    base.signal("step", 3, key="other")
    drain(hand)
    hand.commit(other, decision=suspended(1, "step"))
    assert numbers(hand.begin()) == ['{"n":2}', '{"n":3}']


def test_an_addressed_one_that_ends_meanwhile_ignores_it(
    base: Database, hand: Hand, crowd: list[Task]
) -> None:
    base.signal("step", 1, key="k")
    base.signal("step", 2, execution_id=crowd[0].execution_id)
    hand.take()
    hand.commit(crowd[0])
    drain(hand)
    assert base.stats()["signals_ignored"] == 1


def test_who_starts_after_it_gets_nothing_of_it(
    base: Database, hand: Hand, crowd: list[Task]
) -> None:
    base.signal("step", 1, key="k")
    base.add("open", key="k", id="new")
    [new] = hand.take()
    drain(hand)
    hand.commit(new, decision=suspended(1, "step"))
    assert base.record("0-new.s")["status"] == "waiting"
    assert base.stats()["signals_delivered"] == MANY


def test_who_ends_before_its_page_gets_nothing(
    base: Database, hand: Hand, crowd: list[Task]
) -> None:
    base.signal("step", 1, key="k")
    hand.take()
    hand.commit(crowd[-1])
    drain(hand)
    assert base.stats()["signals_delivered"] == MANY - 1


def test_whoever_comes_next_goes_on_with_it(
    base: Database, hand: Hand, crowd: list[Task]
) -> None:
    base.signal("step", 1, key="k")
    hand.take()
    base.client.script_flush()
    drain(base.hand("b"))
    assert base.stats()["signals_delivered"] == MANY
