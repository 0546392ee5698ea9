"""Cancel: nothing new begins, what was done is undone, and nothing is published."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.memory import Memory, Shop, crashed, entries_of, run, signal
from workflow_worker import Context
from workflow_worker.errors import LeaseLost
from workflow_worker.model import Outcome
from workflow_worker.runtime.journal import Entry, encode


@pytest.fixture
def shop() -> Shop:
    return Shop()


def _busy(shop: Shop) -> Callable[[Context], object]:
    def fn(ctx: Context) -> object:
        ctx.set_state("busy")
        ctx.compensate(shop.other, "undo")
        shop.act(1)
        ctx.emit("done", {})
        shop.act(2)
        return "fine"

    return fn


def test_what_was_asked_before_the_run_stops_its_first_new_step(shop: Shop) -> None:
    effects = Memory()
    decision = run(shop.flow(_busy(shop)), effects=effects, cancel=True)
    assert decision.outcome is Outcome.CANCELLED
    assert shop.ran == ["undo"]
    assert (decision.failure, decision.emits, decision.state) == (None, (), "busy")
    assert [e.kind for e in entries_of(effects, decision)] == ["undo"]


def test_what_an_append_learns_stops_the_action_that_comes_next(shop: Shop) -> None:
    effects = Memory()
    effects.cancel = True
    decision = run(shop.flow(_busy(shop)), effects=effects)
    assert decision.outcome is Outcome.CANCELLED
    assert shop.ran == [1, "undo"]
    found = entries_of(effects, decision)
    assert [(e.ordinal, e.kind) for e in found] == [(1, "action"), (3, "undo")]


def test_a_function_that_returns_is_cancelled_all_the_same(shop: Shop) -> None:
    def fn(ctx: Context) -> str:
        ctx.compensate(shop.other, "undo")
        return "fine"

    decision = run(shop.flow(fn), cancel=True)
    assert (decision.outcome, decision.result) == (Outcome.CANCELLED, None)
    assert shop.ran == ["undo"]


def test_what_is_recorded_is_replayed_before_it_ends(shop: Shop) -> None:
    effects = Memory()
    run(shop.flow(_busy(shop)), effects=effects)
    shop.ran.clear()
    decision = run(shop.flow(_busy(shop)), journal=effects.journal, cancel=True)
    assert decision.outcome is Outcome.CANCELLED
    assert shop.ran == ["undo"]


@pytest.mark.parametrize(
    "step",
    [
        lambda ctx: ctx.wait_for("yes"),
        lambda ctx: ctx.sleep(0),
        lambda ctx: ctx.now(),
        lambda ctx: ctx.emit("a", {}),
        lambda ctx: ctx.start("elsewhere"),
        lambda ctx: ctx.continue_as_new(),
    ],
)
def test_every_new_step_ends_a_cancelled_run(
    shop: Shop, step: Callable[[Context], object]
) -> None:
    def fn(ctx: Context) -> None:
        step(ctx)

    app = shop.flow(fn, signals="yes")
    decision = run(app, inbox=(signal(1, "yes"),), cancel=True)
    assert decision.outcome is Outcome.CANCELLED
    assert (decision.entries, decision.consumed, decision.children) == ((), (), ())


def test_a_cancel_cannot_be_swallowed(shop: Shop) -> None:
    def fn(ctx: Context) -> str:
        for n in range(3):
            try:
                shop.act(n)
            except BaseException:  # noqa: BLE001, S112 - what users write
                continue
        raise ValueError

    decision = run(shop.flow(fn), cancel=True)
    assert decision.outcome is Outcome.CANCELLED
    assert shop.ran == []


def test_what_was_submitted_is_waited_for_and_recorded(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.compensate(shop.other, "undo")
        shop.act.submit(1)
        ctx.now()
        shop.act(2)

    effects = Memory()
    effects.cancel = True
    decision = run(shop.flow(fn), effects=effects)
    assert decision.outcome is Outcome.CANCELLED
    assert shop.ran == [1, "undo"]
    kinds = sorted(e.kind for e in entries_of(effects, decision))
    assert kinds == ["action", "now", "undo"]


def test_after_a_crash_the_end_is_where_it_was(shop: Shop) -> None:
    """Steps before it that left no entry are passed, and nothing is undone twice."""
    lost = [True]

    @shop.app.action
    def undo(value: str) -> None:
        if value == "first" and lost:
            raise LeaseLost
        shop.ran.append(value)

    def fn(ctx: Context) -> None:
        ctx.compensate(undo, "first")
        shop.act(1)
        ctx.emit("a", {})
        ctx.start("elsewhere")
        ctx.compensate(undo, "second")
        shop.act(2)

    effects = Memory()
    effects.cancel = True
    app = shop.flow(fn)
    with pytest.raises(LeaseLost):
        run(app, effects=effects)
    assert shop.ran == [1, "second"]
    lost.clear()
    decision = crashed(app, effects, cancel=True)
    assert decision.outcome is Outcome.CANCELLED
    assert shop.ran == [1, "second", "first"]


def test_once_something_is_undone_the_end_cannot_come_earlier(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.compensate(shop.act, 1)
        ctx.emit("a", {})

    stored = (encode(Entry(4, "undo", "act")),)
    failure = run(shop.flow(fn), journal=stored, cancel=True).failure
    assert failure is not None
    assert "has undo act, but the function now comes to the end" in failure.message
    assert shop.ran == []


def test_an_error_of_its_own_is_still_an_error(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        raise ValueError

    assert run(shop.flow(fn), cancel=True).outcome is Outcome.FAILED
