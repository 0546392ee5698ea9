"""Actions beside the workflow: they overlap, and nothing else about them differs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from tests.unit.memory import (
    LIMIT,
    Memory,
    Shop,
    completed,
    crashed,
    entries_of,
    rerun,
    run,
)
from workflow_worker import (
    ActionFailed,
    Context,
    InvalidPayload,
)
from workflow_worker.errors import Halted, LeaseLost
from workflow_worker.runtime.journal import Entry, decode, encode


@pytest.fixture
def shop() -> Shop:
    return Shop()


class Busy(Memory):
    """Effects without a free thread: what is submitted is never begun there."""

    def beside(self, work: Callable[[], None]) -> None:
        self.late = work


def test_submitted_actions_run_side_by_side(shop: Shop) -> None:
    together = threading.Barrier(3, timeout=10)

    @shop.app.action
    def meet(n: int) -> int:
        together.wait()
        return n

    def fn(ctx: Context) -> object:
        futures = [meet.submit(n) for n in range(2)]
        return [meet(2), *(future.result() for future in futures)]

    assert completed(run(shop.flow(fn))) == b"[2,0,1]"


def test_results_belong_to_their_call_whatever_ended_first(shop: Shop) -> None:
    first_may_end = threading.Event()

    @shop.app.action
    def ordered(n: int) -> int:
        if n == 1:
            assert first_may_end.wait(10)
        else:
            first_may_end.set()
        return n

    def fn(ctx: Context) -> object:
        one, two = ordered.submit(1), ordered.submit(2)
        return [two.result(), one.result(), one.result()]

    effects = Memory()
    app = shop.flow(fn)
    first = run(app, effects=effects)
    assert completed(first) == b"[2,1,1]"
    found = entries_of(effects, first)
    assert sorted((e.ordinal, bytes(e.result)) for e in found) == [(1, b"1"), (2, b"2")]
    again = rerun(app, first, effects)
    assert completed(again) == b"[2,1,1]"
    assert again.entries == ()


def test_waiting_for_what_no_thread_has_begun_begins_it_here(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        here = threading.get_ident()

        future = where.submit()
        return future.result() == here

    @shop.app.action
    def where() -> int:
        return threading.get_ident()

    effects = Busy()
    assert completed(run(shop.flow(fn), effects=effects)) == b"true"
    effects.late()
    assert effects.seen == ["start where"]


@dataclass
class Receipt:
    number: int


def test_a_result_has_the_annotated_type_on_first_run_and_replay(shop: Shop) -> None:
    got: list[object] = []

    @shop.app.action
    def pay() -> Receipt:
        return Receipt(7)

    def fn(ctx: Context) -> None:
        got.append(pay.submit().result())

    effects = Memory()
    app = shop.flow(fn)
    rerun(app, run(app, effects=effects), effects)
    assert got == [Receipt(7), Receipt(7)]


def test_a_failure_is_raised_where_the_result_is_asked_for(shop: Shop) -> None:
    got: list[tuple[str, bool]] = []

    def fn(ctx: Context) -> None:
        future = shop.act.submit(ValueError("no stock"))
        ctx.set_state("submitted")
        try:
            future.result()
        except ActionFailed as error:
            got.append((str(error), error.matches(ValueError)))

    effects = Memory()
    app = shop.flow(fn)
    rerun(app, run(app, effects=effects), effects)
    assert got[0] == got[1]
    assert got[0][1]


def test_an_uncaught_failure_says_which_step_it_was(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        future = shop.act.submit(ValueError("no stock"))
        shop.act(1)
        future.result()

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert (failure.error_type, failure.closing) == ("ValueError", 1)
    # The second action does not come of the failure: a retry keeps it.
    assert failure.seen == 2


@pytest.mark.parametrize("value", [object(), float("nan"), "x" * LIMIT])
def test_a_result_that_cannot_be_journaled_names_the_action(
    shop: Shop, value: object
) -> None:
    def fn(ctx: Context) -> None:
        shop.act.submit(value).result()

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert failure.message.startswith("result of action act")


def test_a_result_of_another_type_than_annotated_is_named(shop: Shop) -> None:
    @shop.app.action
    def number() -> int:
        return "five"  # type: ignore[return-value]

    def fn(ctx: Context) -> None:
        with pytest.raises(InvalidPayload, match="result of action number: expected"):
            number.submit().result()

    completed(run(shop.flow(fn)))


@pytest.mark.parametrize("effects", [Memory(), Busy()], ids=["beside", "here"])
def test_no_submitted_action_starts_before_what_was_seen_is_durable(
    shop: Shop, effects: Memory
) -> None:
    seen_at_start: list[int] = []

    @shop.app.action
    def look() -> None:
        seen_at_start.append(len(effects.journal))

    def fn(ctx: Context) -> None:
        shop.act(1)
        ctx.now()
        look.submit().result()

    completed(run(shop.flow(fn), effects=effects))
    assert seen_at_start == [2]


def test_whatever_is_in_flight_at_the_end_is_waited_for_and_journaled(
    shop: Shop,
) -> None:
    def returns(ctx: Context) -> None:
        shop.act.submit(1)

    def fails(ctx: Context) -> None:
        shop.act.submit(1)
        raise ValueError

    def suspends(ctx: Context) -> None:
        shop.act.submit(1)
        ctx.sleep(60)

    def continues(ctx: Context) -> None:
        shop.act.submit(1)
        ctx.continue_as_new()

    for effects in (Memory(), Busy()):
        for fn in (returns, fails, suspends, continues):
            decision = run(shop.flow(fn), effects=effects)
            assert [decode(data).name for data in decision.entries] == ["act"]


def test_a_submitted_action_that_left_no_entry_runs_again(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        future = shop.act.submit(1)
        return [shop.other(2), future.result()]

    hole = encode(Entry(2, "action", "other", msgspec.Raw(b"2")))
    decision = run(shop.flow(fn), journal=(hole,))
    assert completed(decision) == b"[2,1]"
    assert shop.ran == [1]
    assert decode(decision.entries[0]).ordinal == 1


def test_a_lost_lease_on_a_side_thread_ends_the_run(shop: Shop) -> None:
    def fn(ctx: Context) -> str:
        future = shop.act.submit(1)
        for _ in range(2):
            try:
                future.result()
            except BaseException:  # noqa: BLE001, S112 - what users write
                continue
        return "fine"

    effects = Memory()
    effects.lose_lease = True
    with pytest.raises(LeaseLost):
        run(shop.flow(fn), effects=effects)
    assert shop.ran == []


def test_a_lease_lost_after_the_run_was_suspended_leaves_no_decision(
    shop: Shop,
) -> None:
    class Lost(Busy):
        def ensure(self, *, beside: bool) -> None:
            raise LeaseLost

    def fn(ctx: Context) -> None:
        shop.act.submit(1)
        ctx.sleep(60)

    with pytest.raises(LeaseLost):
        run(shop.flow(fn), effects=Lost())
    assert shop.ran == []


@pytest.mark.parametrize("raised", [LeaseLost, Halted])
def test_a_void_run_waits_for_what_began_and_begins_nothing(
    shop: Shop, raised: type[BaseException]
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    @shop.app.action
    def slow() -> None:
        begun.set()
        assert may_end.wait(10)
        shop.ran.append("slow")

    class One(Memory):
        def beside(self, work: Callable[[], None]) -> None:
            if not self.threads:
                super().beside(work)

    def fn(ctx: Context) -> None:
        slow.submit()
        shop.act.submit("never")
        assert begun.wait(10)
        threading.Timer(0.01, may_end.set).start()
        raise raised

    with pytest.raises(raised):
        run(shop.flow(fn), effects=One())
    assert shop.ran == ["slow"]


def test_what_breaks_on_a_side_thread_fails_the_execution(shop: Shop) -> None:
    class Broken(Memory):
        def ensure(self, *, beside: bool) -> None:
            raise ValueError("broken")

    def fn(ctx: Context) -> str:
        shop.act.submit(1)
        return "fine"

    failure = run(shop.flow(fn), effects=Broken()).failure
    assert failure is not None
    assert (failure.error_type, failure.message) == ("ValueError", "broken")


def test_a_store_from_another_thread_races_safely(shop: Shop) -> None:
    """Whoever stores, every entry becomes durable once, in one append at a time."""
    effects = _Exclusive()
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            for unsaved in list(effects.unsaved_entries):
                unsaved.store(effects)

    def fn(ctx: Context) -> object:
        futures = [shop.act.submit(n) for n in range(20)]
        found = [shop.other(n) for n in range(20)] + [ctx.random() for _ in range(20)]
        return len(found) + sum(future.result() for future in futures)

    app = shop.flow(fn)
    flusher = threading.Thread(target=flush)
    flusher.start()
    try:
        decision = run(app, effects=effects)
    finally:
        done.set()
        flusher.join()
    assert completed(decision) == b"230"
    assert decision.journaled == len(effects.journal)
    ordinals = [entry.ordinal for entry in entries_of(effects, decision)]
    assert sorted(ordinals) == list(range(1, 61))
    assert completed(rerun(app, decision, effects)) == b"230"


class _Exclusive(Memory):
    def __init__(self) -> None:
        super().__init__()
        self._busy = threading.Lock()

    def append(self, *args: Any, **kwargs: Any) -> bool:
        assert self._busy.acquire(blocking=False), "two appends at once"
        try:
            return super().append(*args, **kwargs)
        finally:
            self._busy.release()


def test_after_the_decision_there_is_nothing_left_to_store(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        shop.act(1)

    effects = Memory()
    run(shop.flow(fn), effects=effects)
    (unsaved,) = effects.unsaved_entries
    unsaved.store(effects)
    assert effects.journal == ()


def test_entries_tell_that_they_wait_once_until_they_are_stored(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.now()
        ctx.random()
        shop.act(1)
        ctx.uuid()

    effects = Memory()
    run(shop.flow(fn), effects=effects)
    assert effects.seen == ["append 2", "start act"]
    assert len(effects.unsaved_entries) == 2


def test_after_a_crash_only_what_was_not_durable_runs_again(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        first = shop.act.submit(1)
        assert first.result() == 1
        return shop.other.submit(2).result()

    effects = Memory()
    app = shop.flow(fn)
    run(app, effects=effects)
    assert completed(crashed(app, effects)) == b"2"
    assert shop.ran == [1, 2, 2]
