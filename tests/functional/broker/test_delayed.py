"""Events for later: one per id, whole, at their time; idle workers hear of them."""

from __future__ import annotations

import msgspec
import pytest

from tests.functional.broker.conftest import Database, Hand
from workflow_worker.broker.publish import Message, publish
from workflow_worker.model import Decision, Emission, Outcome

pytestmark = pytest.mark.usefixtures("books")
MINUTE = 60_000


def send(hand: Hand, *messages: Message) -> list[str]:
    return publish(hand.link, hand.partition, messages)


def test_it_appears_after_its_delay_and_not_before(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=MINUTE)
    message = Message(
        "go", b'{"a":1}', key="k", id="7", headers=b'{"h":1}', delay_ms=MINUTE
    )
    assert send(hand, message) == ["7"]
    assert (base.backlog(), hand.take()) == (0, [])
    # No sooner than its time, no later than the call that finds it due.
    task = later.begin()
    assert task.event is not None
    assert msgspec.structs.replace(
        task.event, published_ms=0
    ) == msgspec.structs.replace(
        task.event,
        payload={"a": 1},
        key="k",
        id="7",
        headers={"h": 1},
        published_ms=0,
    )
    assert task.event.published_ms >= later.taken().server_ms - MINUTE
    assert (base.timers(), later.commit(task)) == ({}, [True])


def test_it_appears_at_a_given_time(base: Database) -> None:
    hand = base.hand()
    due_ms = hand.taken().server_ms + MINUTE
    send(hand, Message("go", b"{}", id="7", due_ms=due_ms))
    assert base.timers() == {"d:7": due_ms}
    assert [task.execution_id for task in base.hand("b", ahead_ms=MINUTE).take()] == [
        "0-7.w"
    ]


def test_a_time_gone_by_is_now(base: Database) -> None:
    hand = base.hand()
    send(hand, Message("go", b"{}", id="7", due_ms=5))
    assert base.timers() == {}
    assert hand.begin().execution_id == "0-7.w"


def test_without_an_id_it_gets_one_that_it_keeps(base: Database) -> None:
    hand = base.hand()
    first, second = send(hand, *[Message("go", b"{}", delay_ms=MINUTE)] * 2)
    assert first != second
    tasks = base.hand("b", ahead_ms=MINUTE).take()
    assert {task.execution_id for task in tasks} == {f"0-{first}.w", f"0-{second}.w"}
    assert {task.event and task.event.key for task in tasks} == {first, second}


def test_the_same_id_twice_is_one_and_counted(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=MINUTE)
    send(hand, Message("go", b'{"a":1}', id="7", delay_ms=MINUTE))
    send(hand, Message("go", b'{"a":2}', id="7", delay_ms=MINUTE))
    assert base.stats() == {"events_duplicate": 1}
    task = later.begin()
    assert task.event is not None
    assert task.event.payload == {"a": 1}
    later.commit(task)
    # Also once it is over.
    send(hand, Message("go", b"{}", id="7", delay_ms=MINUTE))
    assert base.hand("c", ahead_ms=2 * MINUTE).taken().duplicate == 1
    assert base.stats()["events_duplicate"] == 2


def test_a_later_event_and_one_at_once_keep_their_places(base: Database) -> None:
    hand = base.hand()
    ids = send(
        hand,
        Message("go", b"{}", delay_ms=MINUTE, id="later"),
        Message("go", b"{}"),
        Message("go", b"{}", id="now"),
    )
    assert [task.event and task.event.id for task in hand.take()] == ids[1:]
    assert ids[0] == "later"


def test_a_delayed_signal_is_delivered_when_it_is_due(base: Database) -> None:
    hand, later = base.hand(), base.hand("b", ahead_ms=MINUTE)
    waiting = base.waiting(hand)
    send(hand, Message("step", b"{}", execution_id=waiting, delay_ms=MINUTE))
    hand.take()
    assert base.wakes() == []
    later.take()
    assert base.wakes() == [waiting]


def test_an_emitted_event_may_be_for_later(base: Database) -> None:
    hand = base.hand()
    base.add("go")
    task = hand.begin()
    emit = Emission("order.x", b'{"e":1}', "k", MINUTE, "e-1")
    hand.commit(task, decision=Decision(Outcome.COMPLETED, emits=(emit,)))
    assert (base.backlog(), list(base.timers())) == (0, ["d:e-1"])
    emitted = base.hand("b", ahead_ms=MINUTE).begin()
    assert emitted.event is not None
    assert (emitted.event.id, emitted.event.key) == ("e-1", "k")
    assert emitted.event.payload == {"e": 1}


def test_what_nobody_wants_when_it_is_due_is_ignored(base: Database) -> None:
    send(base.hand(), Message("unheard", b"{}", delay_ms=MINUTE))
    assert base.hand("b", ahead_ms=MINUTE).taken().ignored == 1


def test_the_bell_rings_if_it_becomes_the_earliest(base: Database) -> None:
    hand = base.hand()
    hand.take()
    hand.hears(1)
    for delay_ms, rings in ((2 * MINUTE, True), (3 * MINUTE, False), (MINUTE, True)):
        send(hand, Message("go", b"{}", delay_ms=delay_ms))
        assert hand.hears(1000 if rings else 10) == rings


def test_an_idle_worker_is_told_how_long_it_may_wait(base: Database) -> None:
    hand = base.hand()
    assert hand.taken().next_timer_ms == -1
    send(hand, Message("go", b"{}", delay_ms=MINUTE))
    assert 0 < hand.taken().next_timer_ms <= MINUTE
    assert 0 < base.hand("b", ahead_ms=MINUTE // 2).taken().next_timer_ms <= MINUTE // 2


def test_it_survives_scripts_being_forgotten(base: Database) -> None:
    hand = base.hand()
    base.client.script_flush()
    send(hand, Message("go", b"{}", id="7", delay_ms=MINUTE))
    base.client.script_flush()
    assert len(base.hand("b", ahead_ms=MINUTE).take()) == 1
