"""The inbox: an item leaves with what came of it, in one call, exactly once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.broker.conftest import (
    PARTITION,
    Database,
    Hand,
    received,
    suspended,
)
from workflow_worker.broker.journal import Appended
from workflow_worker.model import Decision, Outcome, Task

pytestmark = pytest.mark.usefixtures("books")


def sent(base: Database, hand: Hand, *names: str) -> Task:
    """An execution that runs, with these signals in its inbox."""
    task = base.open(hand, "k")
    for number, name in enumerate(names):
        base.signal(name, number, execution_id=task.execution_id)
    assert hand.take(1000) == []
    [task] = base.hand("reader").claim()
    return task


def left(base: Database, task: Task) -> list[str]:
    """Payloads of what is still there, as the next owner sees it."""
    [again] = base.hand("next").claim()
    assert again.execution_id == task.execution_id
    return [payload for _, payload in received(again)]


def n(*numbers: int) -> list[str]:
    return [f'{{"n":{number}}}' for number in numbers]


def test_append_takes_what_its_entries_consumed(base: Database) -> None:
    task = sent(base, base.hand(), "step", "other", "step")
    reader = base.hand("reader")
    reader.append(task, b"1", b"2", b"3", consumed=("", "step", "other"))
    assert base.stats()["signals_consumed"] == 2
    assert left(base, task) == n(2)


def test_an_append_repeated_after_a_lost_reply_takes_nothing_more(
    base: Database,
) -> None:
    task = sent(base, base.hand(), "step", "step", "step")
    reader = base.hand("reader")
    for _ in range(2):
        assert reader.append(task, b"1", consumed=("step",)) is Appended.DURABLE
    assert base.stats()["signals_consumed"] == 1
    # More has come behind what was sent before.
    both = reader.append(task, b"1", b"2", consumed=("step", "step"))
    assert both is Appended.DURABLE
    assert base.stats()["signals_consumed"] == 2
    assert base.journal(task.execution_id) == [b"1", b"2"]
    assert left(base, task) == n(2)


def test_a_former_owner_takes_nothing_out(base: Database) -> None:
    task = sent(base, base.hand(), "step")
    [again] = base.hand("owner").claim()
    former = base.hand("reader")
    assert former.append(task, b"1", consumed=("step",)) is Appended.LOST
    more = suspended(2, "step", entries=(b"1",), consumed=("step",))
    assert former.commit(task, decision=more) == [False]
    assert left(base, again) == n(0)


def test_commit_takes_what_its_entries_consumed(base: Database) -> None:
    task = sent(base, base.hand(), "step", "other", "step")
    entries: dict[str, Any] = {"entries": (b"1", b"2"), "consumed": ("other", "step")}
    reader = base.hand("reader")
    assert reader.commit(task, decision=suspended(3, "step", **entries)) == [True]
    assert received(reader.begin()) == [("step", '{"n":2}')]
    assert base.stats()["signals_consumed"] == 2


def test_append_and_commit_share_the_work(base: Database) -> None:
    task = sent(base, base.hand(), "step", "step", "step")
    reader = base.hand("reader")
    reader.append(task, b"1", consumed=("step",))
    more: dict[str, Any] = {"entries": (b"2",), "consumed": ("step",), "journaled": 1}
    reader.commit(task, decision=suspended(3, "step", **more))
    assert received(reader.begin()) == [("step", '{"n":2}')]


def test_a_commit_repeated_after_a_lost_reply_takes_nothing_more(
    base: Database,
) -> None:
    task = sent(base, base.hand(), "step", "step")
    reader = base.hand("reader")
    more = suspended(2, "step", entries=(b"1",), consumed=("step",))
    assert reader.commit(task, decision=more) == [True]
    assert reader.commit(task, decision=more) == [False]
    assert received(reader.begin()) == [("step", '{"n":1}')]


def test_an_empty_inbox_is_no_key(base: Database) -> None:
    task = sent(base, base.hand(), "step", "other")
    key = f"{PARTITION.prefix}in:{task.execution_id}"
    assert base.client.exists(key)
    base.hand("reader").append(task, b"1", b"2", consumed=("other", "step"))
    assert not base.client.exists(key)


def test_what_nobody_consumed_is_counted_at_the_end(base: Database) -> None:
    task = sent(base, base.hand(), "step", "other", "step")
    done = Decision(Outcome.COMPLETED, entries=(b"1",), consumed=("step",))
    assert base.hand("reader").commit(task, decision=done) == [True]
    stats = base.stats()
    assert (stats["signals_consumed"], stats["signals_unconsumed"]) == (1, 2)


def test_a_hundred_are_handed_out_whole(base: Database) -> None:
    task = sent(base, base.hand(), *["step"] * 100)
    assert (len(task.inbox), task.whole) == (100, True)


def test_of_more_only_the_first_awaited_one_is_handed_out(base: Database) -> None:
    names = ["knock", *["other", "step"] * 60]
    task = sent(base, base.hand(), *names)
    assert (task.inbox, task.whole) == ((), False), "it awaits nothing yet"
    reader = base.hand("reader")
    reader.commit(task, decision=suspended(1, "step", "other"))
    wake = reader.begin()
    assert ([*received(wake)], wake.whole) == ([("other", '{"n":1}')], False)


def test_a_long_inbox_is_consumed_in_order_step_by_step(base: Database) -> None:
    task = sent(base, base.hand(), *["other", "step"] * 53)
    reader, got = base.hand("reader"), []
    reader.commit(task, decision=suspended(1, "other", "step"))
    for number in range(106):
        wake = reader.begin()
        assert wake.whole == (number >= 6)
        first = wake.inbox[0]
        got.append(received(wake)[0][1])
        more = {"entries": (b"%d" % number,), "consumed": (first.name,)}
        wait = suspended(number + 2, "other", "step", journaled=number, **more)
        assert reader.commit(wake, decision=wait) == [True]
    assert got == n(*range(106))
    assert base.record(task.execution_id)["status"] == "waiting"
