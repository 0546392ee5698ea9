"""redrive of signals: where there was no room, and nowhere else."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import TTL_MS, Database, Hand, received
from tests.functional.broker.test_letters import INBOX_LIMIT, purge, read, redrive
from tests.functional.broker.test_retry import entry
from workflow_worker.model import Decision, Outcome, Task

pytestmark = pytest.mark.usefixtures("books")


def crowded(base: Database, hand: Hand) -> Task:
    """One that runs with a full inbox, and whose key's third signal is a letter."""
    task = base.open(hand)
    for number in (1, 2):
        base.signal("step", number, execution_id=task.execution_id)
    hand.take()
    base.waiting(hand, "other", key="k")
    base.signal("step", 3, key="k")
    hand.take()
    [letter] = read(hand)
    assert letter.execution_id == task.execution_id
    return task


def test_a_signal_goes_only_where_there_was_no_room(base: Database) -> None:
    hand = base.hand(inbox_limit=INBOX_LIMIT)
    task = crowded(base, hand)
    assert redrive(hand) == ["full"]
    hand.append(task, entry(1), entry(2), consumed=("step", "step"))
    assert redrive(hand) == ["delivered"]
    assert base.dead() == []
    stats = base.stats()
    assert (stats["signals_dead"], stats["signals_delivered"]) == (0, 4)
    [again] = base.hand("b").claim()
    assert received(again) == [("step", '{"n":3}')]


def test_a_signal_for_one_that_has_ended_stays(base: Database) -> None:
    hand = base.hand(inbox_limit=INBOX_LIMIT)
    hand.commit(crowded(base, hand))
    assert redrive(hand) == ["ended"]
    assert (len(base.dead()), base.stats()["signals_dead"]) == (1, 1)
    assert purge(hand) == [1]


@pytest.mark.parametrize("to", [{"key": "k"}, {"execution_id": "0-7.s"}])
def test_an_early_signal_waits_again_for_its_execution(
    base: Database, to: dict[str, str]
) -> None:
    hand = base.hand(inbox_limit=INBOX_LIMIT)
    for number in range(3):
        base.signal("step", number, **to)
    hand.take()
    assert redrive(hand) == ["full"]
    base.hand("late", ahead_ms=TTL_MS + 1).take()
    assert redrive(hand) == ["delivered"]
    assert base.stats()["signals_dead"] == 0
    assert received(base.open(hand, id="7")) == [("step", '{"n":2}')]


@pytest.mark.parametrize("to", [{"key": "k"}, {"execution_id": "0-7.s"}])
@pytest.mark.parametrize("ends", [False, True])
def test_an_early_signal_goes_to_the_execution_that_began(
    base: Database, to: dict[str, str], ends: bool
) -> None:
    hand = base.hand(inbox_limit=INBOX_LIMIT)
    for number in range(3):
        base.signal("step", number, **to)
    hand.take()
    task = base.open(hand, id="7")
    assert redrive(hand) == ["full"]
    hand.append(task, entry(1), entry(2), consumed=("step", "step"))
    if ends:
        hand.commit(task, decision=Decision(Outcome.COMPLETED, journaled=2))
        assert redrive(hand) == ["ended"]
        return
    assert redrive(hand) == ["delivered"]
    [again] = base.hand("b").claim()
    assert received(again) == [("step", '{"n":2}')]
