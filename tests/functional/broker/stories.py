"""What a commit meets: an execution that has completed, and what it leaves behind.

Each story does what comes before and returns what is committed then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.functional.broker.conftest import PARTITION, Database, Hand, suspended
from tests.functional.broker.test_children import child_of, parent
from tests.functional.broker.test_retrying import FAILED, TRY, failing_again, retrying
from workflow_worker.broker.commit import Item
from workflow_worker.model import Decision, Emission, Outcome, Task

ACTION = b'{"ordinal":1,"kind":"action","name":"act"}'

Story = Callable[[Database, Hand], list[Item]]


def done(result: bytes | None = b'{"r":1}', **more: Any) -> Decision:
    return Decision(Outcome.COMPLETED, result, version="7", **more)


def event(base: Database, hand: Hand, number: int = 1, **fields: Any) -> Task:
    """A new event of ``w`` with an entry id that is always the same."""
    fields = {"name": "go", "payload": '{"a":1}', **fields}
    base.client.xadd(PARTITION.events, fields, id=f"5-{number}")
    return hand.begin()


def acted(base: Database, hand: Hand, number: int = 1, **fields: Any) -> Task:
    """An execution with a record and one journal entry."""
    task = event(base, hand, number, **fields)
    assert hand.append(task, ACTION)
    return task


def opened(base: Database, hand: Hand, **fields: Any) -> Task:
    """An execution that takes signals."""
    base.client.xadd(PARTITION.events, {"name": "open", **fields}, id="5-1")
    return hand.begin()


def retried(base: Database, hand: Hand) -> Task:
    """A cancelled execution that runs again, of whose version nothing is known."""
    task = event(base, hand)
    gone = Decision(Outcome.CANCELLED)
    assert hand.commit(task, decision=gone) == [True]
    base.client.hdel(PARTITION.record(task.execution_id), "version")
    hand.retry(task.execution_id)
    return hand.begin()


# --- what goes the short way


def a_result(base: Database, hand: Hand) -> list[Item]:
    return [(event(base, hand), done())]


def a_result_with_all_there_is(base: Database, hand: Hand) -> list[Item]:
    task = event(base, hand, key="k", id="mine", _keep="1", published_at="6")
    more = {"data": b'{"d":1}', "state": "half", "entries": (ACTION, TRY)}
    return [(task, done(**more))]


def an_end_without_result(base: Database, hand: Hand) -> list[Item]:
    return [(acted(base, hand), done(None, journaled=1))]


def a_last_entry(base: Database, hand: Hand) -> list[Item]:
    more = {"journaled": 1, "entries": (ACTION,), "state": "all"}
    return [(acted(base, hand, key="k"), done(**more))]


def entries_that_are_tries(base: Database, hand: Hand) -> list[Item]:
    return [(acted(base, hand), done(journaled=1, entries=(TRY, ACTION)))]


def nothing_consumed(base: Database, hand: Hand) -> list[Item]:
    more: dict[str, Any] = {"entries": (ACTION,), "consumed": ("",)}
    return [(event(base, hand), done(**more))]


def an_operators_retry(base: Database, hand: Hand) -> list[Item]:
    return [(retried(base, hand), done())]


def a_later_delivery(base: Database, hand: Hand) -> list[Item]:
    event(base, hand)
    base.hand("b").claim()
    [task] = hand.claim()
    return [(task, done(None))]


def one_that_is_not_the_first_of_its_event(base: Database, hand: Hand) -> list[Item]:
    base.client.xadd(PARTITION.events, {"name": "both"}, id="5-1")
    assert hand.take() == []
    return [(task, done()) for task in hand.take()]


SHORT = (
    a_result,
    a_result_with_all_there_is,
    an_end_without_result,
    a_last_entry,
    entries_that_are_tries,
    nothing_consumed,
    an_operators_retry,
    a_later_delivery,
    one_that_is_not_the_first_of_its_event,
)


# --- what it leaves to the long way


def a_cancel_meanwhile(base: Database, hand: Hand) -> list[Item]:
    task = acted(base, hand)
    assert hand.cancel(task.execution_id) == "asked"
    return [(task, done(journaled=1))]


def a_parent_is_told(base: Database, hand: Hand) -> list[Item]:
    parent(base, hand)
    return [(hand.begin(), done())]


def it_takes_signals(base: Database, hand: Hand) -> list[Item]:
    return [(opened(base, hand, key="k"), done())]


def signals_are_left(base: Database, hand: Hand) -> list[Item]:
    task = opened(base, hand, key="k")
    base.signal("step", 1, key="k")
    assert hand.take() == []
    return [(task, done())]


def only_its_inbox_is_left(base: Database, hand: Hand) -> list[Item]:
    [(task, decision)] = signals_are_left(base, hand)
    base.client.delete("{t:0}:open:s:k")
    return [(task, decision)]


def a_signal_is_consumed(base: Database, hand: Hand) -> list[Item]:
    [(task, _)] = signals_are_left(base, hand)
    more: dict[str, Any] = {"entries": (ACTION,), "consumed": ("step",)}
    return [(task, done(**more))]


def a_wait_goes_on(base: Database, hand: Hand) -> list[Item]:
    """A try beside a wait wakes it; the timer of the wait is still to come."""
    task = event(base, hand)
    wait = retrying(base, in_ms=0, entries=(TRY,))
    assert hand.commit(task, decision=wait) == [True]
    return [(hand.begin(), done(journaled=1))]


def a_timer_is_set(base: Database, hand: Hand) -> list[Item]:
    parent(base, hand, delay_ms=60_000)
    hand.commit(hand.begin(), decision=done())
    return [(hand.begin(), done(journaled=1))]


def its_time_has_come(base: Database, hand: Hand) -> list[Item]:
    task = event(base, hand)
    assert hand.commit(task, decision=suspended(1, delay_ms=0)) == [True]
    return [(hand.begin(), done())]


def it_says_what_failed(base: Database, hand: Hand) -> list[Item]:
    return [(acted(base, hand), done(journaled=1, failure=FAILED))]


def a_try_of_the_workflow(base: Database, hand: Hand) -> list[Item]:
    task = event(base, hand)
    assert hand.commit(task, decision=failing_again(base, in_ms=0)) == [True]
    return [(hand.begin(), done())]


def an_event_not_counted_yet(base: Database, hand: Hand) -> list[Item]:
    task = acted(base, hand)
    base.client.hset(PARTITION.record(task.execution_id), "uncounted", "1")
    return [(task, done(journaled=1))]


def an_error_from_before(base: Database, hand: Hand) -> list[Item]:
    task = acted(base, hand)
    error = {"error_type": "OSError", "message": "away", "category": "recoverable"}
    base.client.hset(PARTITION.record(task.execution_id), mapping=error)
    return [(task, done(journaled=1))]


def it_emits(base: Database, hand: Hand) -> list[Item]:
    return [
        (event(base, hand), done(emits=(Emission("later", b"{}", "k", 60_000, "i"),)))
    ]


def it_starts_a_child(base: Database, hand: Hand) -> list[Item]:
    task = event(base, hand)
    return [(task, done(children=(child_of(task),)))]


def compensations_are_registered(base: Database, hand: Hand) -> list[Item]:
    return [(acted(base, hand), done(journaled=1, undo=True))]


LONG = (
    a_cancel_meanwhile,
    a_parent_is_told,
    it_takes_signals,
    signals_are_left,
    only_its_inbox_is_left,
    a_signal_is_consumed,
    a_wait_goes_on,
    a_timer_is_set,
    its_time_has_come,
    it_says_what_failed,
    a_try_of_the_workflow,
    an_event_not_counted_yet,
    an_error_from_before,
    it_emits,
    it_starts_a_child,
    compensations_are_registered,
)


# --- what nothing comes of


def another_owner(base: Database, hand: Hand) -> list[Item]:
    task = acted(base, hand)
    base.hand("b").claim()
    return [(task, done(journaled=1))]


def another_step(base: Database, hand: Hand) -> list[Item]:
    task = acted(base, hand)
    base.client.hincrby(PARTITION.record(task.execution_id), "step", 1)
    return [(task, done(journaled=1))]


def a_longer_journal(base: Database, hand: Hand) -> list[Item]:
    return [(acted(base, hand), done(journaled=0))]


def a_shorter_journal(base: Database, hand: Hand) -> list[Item]:
    return [(acted(base, hand), done(journaled=2))]


def one_that_does_not_run(base: Database, hand: Hand) -> list[Item]:
    task = acted(base, hand)
    base.client.hset(PARTITION.record(task.execution_id), "status", "waiting")
    return [(task, done(journaled=1))]


def an_entry_that_is_gone(base: Database, hand: Hand) -> list[Item]:
    task = event(base, hand)
    base.client.xdel(PARTITION.events, task.entry)
    return [(task, done())]


NOTHING = (
    another_owner,
    another_step,
    a_longer_journal,
    a_shorter_journal,
    one_that_does_not_run,
    an_entry_that_is_gone,
)


def mixed(base: Database, hand: Hand) -> list[Item]:
    """One of each, and who has lost its entry."""
    lost, short = event(base, hand, 1), event(base, hand, 2)
    emitting, last = event(base, hand, 3), acted(base, hand, 4)
    cancelled, plain = acted(base, hand, 5), event(base, hand, 6)
    hand.cancel(cancelled.execution_id)
    base.hand("b").claim(1)
    return [
        (short, done()),
        (lost, done()),
        (emitting, done(emits=(Emission("later", b"{}", "k", 60_000, "i"),))),
        (plain, Decision(Outcome.COMPLETED)),
        (cancelled, done(journaled=1)),
        (last, done(journaled=1)),
    ]
