"""Signals before their execution, and after it: kept for a while, or ignored."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import (
    DONE,
    PARTITION,
    TTL_MS,
    Database,
    received,
    suspended,
)
from tests.functional.broker.test_commit import FAILED
from workflow_worker.model import Decision

pytestmark = pytest.mark.usefixtures("books")


def test_early_signals_meet_their_execution_in_stream_order(base: Database) -> None:
    hand = base.hand()
    base.signal("step", 1, key="k")
    base.signal("step", 2, execution_id="0-7.s")
    base.signal("other", 3, key="k")
    base.signal("step", 4, execution_id="0-7.s")
    assert hand.taken().succeeded == 4
    assert base.stats()["signals_early"] == 4
    task = base.open(hand, id="7")
    assert [payload for _, payload in received(task)] == [
        f'{{"n":{number}}}' for number in (1, 2, 3, 4)
    ]
    assert base.stats()["signals_delivered"] == 4
    assert hand.commit(task) == [True]


def test_more_than_nine_in_one_millisecond_stay_in_order(base: Database) -> None:
    hand = base.hand()
    for number in range(12):
        fields = {"name": "step", "key": "k", "payload": f'{{"n":{number}}}'}
        base.client.xadd(PARTITION.events, fields, id=f"5-{number + 1}")
    hand.take(20)
    payloads = [payload for _, payload in received(base.open(hand))]
    assert payloads == [f'{{"n":{number}}}' for number in range(12)]


def test_the_first_to_start_gets_them_and_no_other(base: Database) -> None:
    hand = base.hand()
    base.signal("step", 1, key="k")
    base.add("open", key="other")
    base.add("open", key="k")
    base.add("open", key="k")
    assert [received(task) for task in hand.take()] == [[], [("step", '{"n":1}')], []]


def test_a_start_among_several_workflows_gets_them_too(base: Database) -> None:
    hand = base.hand()
    base.signal("step", 1, key="k")
    base.add("pair", key="k", payload="{}")
    assert hand.take() == []
    tasks = {task.workflow: received(task) for task in hand.take()}
    assert tasks == {"s": [("step", '{"n":1}')], "w": []}


def test_a_signal_whose_execution_never_starts_expires(base: Database) -> None:
    base.signal("step", 1, key="k")
    base.hand().take()
    later = base.hand("b", ahead_ms=TTL_MS + 1000)
    assert later.take() == []
    assert base.stats()["signals_expired"] == 1
    assert not [key for key in base.all_keys() if "early" in key]
    assert received(base.open(later)) == []


def test_each_signal_has_a_time_of_its_own(base: Database) -> None:
    base.signal("step", 1, key="k")
    base.hand().take()
    base.signal("step", 2, key="k")
    base.hand("b", ahead_ms=TTL_MS // 2).take()
    late = base.hand("c", ahead_ms=TTL_MS + 1000)
    late.take()
    assert base.stats()["signals_expired"] == 1
    assert received(base.open(late)) == [("step", '{"n":2}')]


def test_expired_ones_are_not_handed_out_where_nobody_cleared_them(
    base: Database,
) -> None:
    hand = base.hand()
    for number in range(30):
        base.signal("step", number, key=f"{number}")
        hand.take()
    base.add("open", key="29")
    # One call starts it, and has cleared only some of the others.
    [task] = base.hand("b", ahead_ms=TTL_MS + 1000).take()
    assert received(task) == []
    assert base.client.exists(f"{PARTITION.prefix}early:s:28")


def test_too_many_early_ones_are_dead_letters(base: Database) -> None:
    hand = base.hand(inbox_limit=2)
    for number in range(3):
        base.signal("step", number, key="k")
    hand.take()
    [letter] = base.dead()
    assert letter[b"e:payload"] == b'{"n":2}'
    assert b"s:k" in letter[b"message"]
    assert base.stats()["signals_dead"] == 1
    assert len(base.open(hand).inbox) == 2


def test_early_ones_that_overfill_the_inbox_are_dead_letters(base: Database) -> None:
    hand = base.hand(inbox_limit=2)
    entries = [
        base.signal("step", 0, key="k"),
        base.signal("step", 1, execution_id="0-7.s"),
        base.signal("step", 2, key="k"),
    ]
    hand.take()
    assert len(base.open(hand, id="7").inbox) == 2
    [letter] = base.dead()
    assert letter[b"entry"].decode() == entries[2]
    assert letter[b"execution_id"] == b"0-7.s"


@pytest.mark.parametrize("end", [DONE, FAILED], ids=["completed", "failed"])
def test_a_late_signal_is_never_the_next_ones(base: Database, end: Decision) -> None:
    """Whether it is read before the end of its execution or after."""
    hand = base.hand()
    task = base.open(hand)
    base.signal("step", 1, key="k")
    hand.take()
    assert hand.commit(task, decision=end) == [True]
    base.signal("step", 2, key="k")
    hand.take()
    assert received(base.open(hand)) == []
    stats = base.stats()
    assert (stats["signals_unconsumed"], stats["signals_ignored"]) == (1, 1)


def test_a_late_signal_to_a_cancelled_one_is_not_the_next_ones(base: Database) -> None:
    hand = base.hand()
    hand.cancel(base.waiting(hand))
    base.signal("step", 1, key="k")
    hand.take()
    assert received(base.open(hand)) == []
    assert base.stats()["signals_ignored"] == 1


def test_late_is_a_matter_of_workflow_and_key(base: Database) -> None:
    hand = base.hand()
    hand.commit(base.open(hand, key="k"))
    base.signal("step", 1, key="other")
    base.signal("shout", 2, key="k")
    hand.take()
    # Of the other workflow nothing with that key has ended.
    base.add("ring", key="k")
    assert received(hand.begin()) == [("shout", '{"n":2}')]
    assert received(base.open(hand, key="other")) == [("step", '{"n":1}')]
    assert received(base.open(hand, key="k")) == []


def test_after_a_while_nothing_is_late_any_more(base: Database) -> None:
    hand = base.hand()
    hand.commit(base.open(hand))
    late = f"{PARTITION.prefix}late:s:k"
    assert 0 < base.client.pttl(late) <= TTL_MS
    base.client.delete(late)
    base.signal("step", 1, key="k")
    hand.take()
    assert received(base.open(hand)) == [("step", '{"n":1}')]


def test_no_signal_is_late_while_another_of_the_key_is_open(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    hand.commit(base.open(hand))
    base.signal("step", 1, key="k")
    hand.take()
    assert base.wakes() == [waiting]


def test_a_plain_execution_ends_without_making_signals_late(base: Database) -> None:
    hand = base.hand()
    base.add("go", key="k")
    hand.commit(*hand.take())
    assert not [key for key in base.all_keys() if "late" in key]


def test_code_that_takes_signals_now_opens_what_began_without(base: Database) -> None:
    hand = base.hand()
    base.add("go", key="k")
    task = hand.begin()
    slot = f"{PARTITION.prefix}open:w:k"
    assert not base.client.exists(slot)
    hand.commit(task, decision=suspended(1, "step", signals=True))
    assert base.client.zcard(slot) == 1


def test_what_came_too_early_for_it_makes_one_wake(base: Database) -> None:
    hand = base.hand()
    base.add("go", key="k", id="7")
    task = hand.begin()
    base.signal("step", 1, execution_id="0-7.w")
    hand.take()
    hand.commit(task, decision=suspended(1, "step", signals=True))
    assert base.wakes() == ["0-7.w"]
    assert received(hand.begin()) == [("step", '{"n":1}')]
