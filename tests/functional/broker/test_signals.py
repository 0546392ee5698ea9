"""Signals: to every open execution of the key, or to the one addressed; in order."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import PARTITION, Database, received, suspended
from workflow_worker.model import Decision, Outcome

pytestmark = pytest.mark.usefixtures("books")


def test_a_signal_by_key_wakes_who_waits_for_it(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.add("step", key="k", payload='{"n":1}', headers='{"h":1}')
    taken = hand.taken()
    assert (taken.tasks, taken.succeeded) == ([], 1)
    wake = hand.begin()
    assert (wake.execution_id, received(wake)) == (waiting, [("step", '{"n":1}')])
    assert b"headers" in wake.inbox[0].fields
    assert base.stats()["signals_delivered"] == 1


def test_a_signal_by_id_wakes_the_one_addressed(base: Database) -> None:
    hand = base.hand()
    addressed = base.waiting(hand)
    other = base.waiting(hand)
    base.signal("step", 1, execution_id=addressed)
    hand.take()
    assert base.wakes() == [addressed]
    assert base.record(other)["status"] == "waiting"


def test_an_addressed_event_starts_nothing(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "knock")
    base.signal("knock", 1, execution_id=waiting, key="k")
    assert hand.take() == []
    assert base.wakes() == [waiting]
    assert base.stats()["executions_started"] == 1


def test_a_signal_nobody_waits_for_yet_is_kept_without_a_wake(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, "step")
    base.signal("other", 1, key="k")
    hand.take()
    assert base.wakes() == []
    base.signal("step", 2, key="k")
    hand.take()
    assert received(hand.begin()) == [("other", '{"n":1}'), ("step", '{"n":2}')]


def test_each_name_that_is_awaited_wakes(base: Database) -> None:
    hand = base.hand()
    for name in ("step", "other"):
        waiting = base.waiting(hand, "step", "other", key=name)
        base.signal(name, 1, key=name)
        hand.take()
        assert base.wakes() == [waiting]
        hand.commit(hand.begin())


def test_many_signals_make_one_wake_and_come_in_stream_order(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    for number, name in enumerate(("step", "other", "step", "knock", "other")):
        base.signal(name, number, execution_id=waiting)
    hand.take(3)
    base.hand("b").take(2)
    assert base.wakes() == [waiting]
    assert [payload for _, payload in received(hand.begin())] == [
        f'{{"n":{number}}}' for number in range(5)
    ]


def test_a_signal_reaches_those_that_started_before_it_and_no_other(
    base: Database,
) -> None:
    base.add("open", key="k", id="a")
    base.signal("step", 1, key="k")
    base.add("open", key="k", id="b")
    base.signal("step", 2, key="k")
    first, second = base.hand().take()
    for task in (first, second):
        base.hand().commit(task, decision=suspended(1, "step"))
    wakes = {wake.execution_id: received(wake) for wake in base.hand().take()}
    assert wakes == {
        "0-a.s": [("step", '{"n":1}'), ("step", '{"n":2}')],
        "0-b.s": [("step", '{"n":2}')],
    }


def test_it_is_one_event_however_many_receive_it(base: Database) -> None:
    hand = base.hand()
    opened = {base.waiting(hand) for _ in range(3)}
    before = base.stats()["events_succeeded"]
    base.signal("step", 1, key="k")
    assert hand.taken().succeeded == 1
    assert set(base.wakes()) == opened
    assert base.stats()["signals_delivered"] == 3
    assert base.stats()["events_succeeded"] == before + 1


def test_a_signal_of_two_workflows_goes_to_both(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "shout")
    base.add("ring", key="k")
    ring = hand.begin()
    hand.commit(ring, decision=suspended(1, "shout"))
    base.signal("shout", 1, key="k")
    hand.take()
    assert set(base.wakes()) == {waiting, ring.execution_id}


def test_another_key_is_another_execution(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, key="k")
    base.signal("step", 1, key="k2")
    hand.take()
    assert base.wakes() == []
    assert "signals_delivered" not in base.stats()


def test_an_event_without_a_key_is_open_under_its_own_id(base: Database) -> None:
    hand = base.hand()
    entry = base.add("open", payload="{}")
    task = hand.begin()
    base.signal("step", 1, key=entry)
    hand.take()
    hand.commit(task, decision=suspended(1, "step"))
    assert received(hand.begin()) == [("step", '{"n":1}')]


def test_an_event_may_be_a_signal_and_a_start_and_counts_once(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, "knock")
    before = base.stats()["events_succeeded"]
    base.add("knock", key="k", payload="{}")
    started = hand.begin()
    assert base.wakes() == [waiting]
    assert (started.workflow, started.inbox) == ("s", ())
    assert hand.commit(started) == [True]
    assert base.stats()["events_succeeded"] == before + 1


def test_an_event_is_no_signal_to_what_it_starts(base: Database) -> None:
    hand = base.hand()
    base.add("knock", key="k", payload="{}")
    started = hand.begin()
    hand.commit(started, decision=suspended(1, "knock"))
    assert hand.take() == []
    assert base.record(started.execution_id)["status"] == "waiting"
    assert base.stats()["signals_ignored"] == 1


def test_a_start_without_a_key_is_no_signal(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, "knock")
    base.add("knock", payload="{}")
    assert len(hand.take()) == 1
    assert base.wakes() == []


@pytest.mark.parametrize("fields", [{}, {"key": "", "execution_id": ""}])
def test_a_signal_to_nobody_in_particular_is_a_dead_letter(
    base: Database, fields: dict[str, str]
) -> None:
    hand = base.hand()
    base.waiting(hand)
    base.signal("step", 1, **fields)
    assert hand.taken().failed == 1
    [letter] = base.dead()
    assert letter[b"message"] == b"a signal needs a key or an execution_id"
    assert letter[b"e:payload"] == b'{"n":1}'
    assert base.stats()["events_failed"] == 1


def test_a_signal_the_addressed_workflow_does_not_name_is_a_dead_letter(
    base: Database,
) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.signal("hush", 1, execution_id=waiting)
    assert hand.taken().failed == 1
    [letter] = base.dead()
    assert b"takes no signal hush" in letter[b"message"]
    assert not base.client.exists(f"{PARTITION.prefix}in:{waiting}")


@pytest.mark.parametrize(
    "payload", ["{broken", "[1]", "1", '"text"', "null", "", b"\xff", "x" * 1001]
)
@pytest.mark.parametrize("name", ["step", "knock"])
def test_what_a_workflow_could_not_read_never_reaches_it(
    base: Database, payload: str | bytes, name: str
) -> None:
    hand = base.hand()
    waiting = base.waiting(hand, name)
    base.add(name, key="k", payload=payload)
    base.add(name, execution_id=waiting, payload=payload)
    base.add(name, key="early", payload=payload)
    taken = hand.taken()
    assert (taken.tasks, taken.failed) == ([], 3)
    assert len(base.dead()) == 3
    assert (base.wakes(), base.pending()) == ([], 0)
    assert not {"signals_delivered", "signals_early"} & set(base.stats())


def test_a_signal_without_a_payload_is_fine(base: Database) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.add("step", key="k")
    hand.take()
    assert base.wakes() == [waiting]


def test_a_signal_id_seen_twice_is_one_signal(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand)
    base.signal("step", 1, key="k", id="once")
    base.signal("step", 1, key="k", id="once")
    taken = hand.taken()
    assert (taken.succeeded, taken.duplicate) == (1, 1)
    assert received(hand.begin()) == [("step", "once")]


def test_a_start_that_is_claimed_is_not_a_signal_again(base: Database) -> None:
    former, owner = base.hand("a"), base.hand("b")
    waiting = base.waiting(former, "knock")
    base.signal("knock", 1, key="k")
    [task] = former.take()
    assert [again.execution_id for again in owner.claim()] == [task.execution_id]
    assert len(base.hand("c").adopt("b")) == 1
    assert base.stats()["signals_delivered"] == 1
    assert base.wakes() == [waiting]


def test_a_full_inbox_takes_no_more_and_loses_nothing(base: Database) -> None:
    hand = base.hand(inbox_limit=2)
    full = base.waiting(hand, "other")
    for number in range(2):
        base.signal("step", number, execution_id=full)
    roomy = base.waiting(base.hand("b"), "other")
    base.signal("step", 2, key="k")
    hand.take()
    [letter] = base.dead()
    assert letter[b"execution_id"].decode() == full
    assert letter[b"error_type"] == b"InboxFull"
    assert letter[b"e:payload"] == b'{"n":2}'
    stats = base.stats()
    assert (stats["signals_delivered"], stats["signals_dead"]) == (3, 1)
    base.signal("other", 3, key="k")
    hand.take()
    assert base.wakes() == [roomy]


def test_a_signal_to_one_that_has_ended_is_ignored(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    hand.commit(task, decision=Decision(Outcome.COMPLETED, b"1"))
    base.signal("step", 1, execution_id=task.execution_id)
    assert hand.take() == []
    assert base.stats()["signals_ignored"] == 1
    assert base.record(task.execution_id)["status"] == "completed"


def test_a_signal_while_it_runs_makes_no_second_wake(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    base.signal("step", 1, key="k")
    hand.take()
    assert base.wakes() == []
    assert hand.renew(task) == [True]


def test_a_start_put_back_receives_signals_meanwhile(base: Database) -> None:
    hand = base.hand()
    hand.requeue(base.open(hand), delay_ms=1000)
    base.signal("step", 1, key="k")
    assert hand.take() == []
    [task] = base.hand("b", ahead_ms=2000).take()
    assert received(task) == [("step", '{"n":1}')]
    assert task.counts


def test_a_server_that_forgot_its_scripts_delivers_all_the_same(base: Database) -> None:
    hand = base.hand()
    base.client.script_flush()
    waiting = base.waiting(hand)
    base.client.script_flush()
    base.signal("step", 1, key="k")
    hand.take()
    assert base.wakes() == [waiting]


def test_a_signal_refused_everywhere_is_a_failed_event(base: Database) -> None:
    hand = base.hand(inbox_limit=1)
    full = base.waiting(hand, "other")
    for number in range(3):
        base.signal("step", number, execution_id=full)
    taken = hand.taken()
    assert (taken.succeeded, taken.failed) == (1, 2)
    assert len(base.dead()) == 2


def test_an_addressed_event_that_nobody_takes_is_told_and_not_dropped(
    base: Database,
) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.signal("typo", 1, execution_id=waiting)
    hand.take()
    [letter] = base.dead()
    assert b"takes no signal typo" in letter[b"message"]


def test_an_addressed_event_whose_name_starts_others_starts_none(
    base: Database,
) -> None:
    hand = base.hand()
    waiting = base.waiting(hand)
    base.signal("go", 1, execution_id=waiting)
    assert hand.take() == []
    [letter] = base.dead()
    assert b"takes no signal go" in letter[b"message"]
