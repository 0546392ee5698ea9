"""Code that changed under a journal: it stops, says so, and does nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from tests.unit.memory import Memory, Shop, run
from workflow_worker import Context
from workflow_worker.runtime.journal import Entry, encode


@pytest.fixture
def shop() -> Shop:
    return Shop()


def _recorded(shop: Shop) -> tuple[bytes, ...]:
    """Return the journal of act, emit, act before its commit; none counts as run."""

    def fn(ctx: Context) -> None:
        shop.act(1)
        ctx.emit("between", {})
        shop.act(2)
        raise ValueError

    effects = Memory()
    last = run(shop.flow(fn), effects=effects).entries
    shop.ran.clear()
    return effects.journal + last


def _renamed(shop: Shop, ctx: Context) -> None:
    shop.other(1)


def _emit_first(shop: Shop, ctx: Context) -> None:
    ctx.emit("early", {})


def _emit_of_that_name(shop: Shop, ctx: Context) -> None:
    ctx.emit("act", {})


def _action_for_the_emit(shop: Shop, ctx: Context) -> None:
    shop.act(1)
    shop.act(2)


def _emit_removed_and_renamed(shop: Shop, ctx: Context) -> None:
    shop.act(1)
    ctx.emit("between", {})
    shop.other(2)


def _ends_early(shop: Shop, ctx: Context) -> None:
    shop.act(1)


@pytest.mark.parametrize(
    ("code", "then", "now"),
    [
        (_renamed, "action act", "action other"),
        (_emit_first, "action act", "emit early"),
        (_emit_of_that_name, "action act", "emit act"),
        (_action_for_the_emit, "no action", "action act"),
        (_emit_removed_and_renamed, "action act", "action other"),
        (_ends_early, "action act", "the end of the workflow"),
    ],
)
def test_a_replay_that_diverges_stops_shows_both_sides_and_changes_nothing(
    shop: Shop, code: Callable[..., None], then: str, now: str
) -> None:
    stored = _recorded(shop)

    def fn(ctx: Context) -> None:
        ctx.set_state("changed")
        code(shop, ctx)

    decision = run(shop.flow(fn), journal=stored)
    assert decision.failure is not None
    assert decision.failure.error_type.endswith("NonDeterminismError")
    assert decision.failure.category == "permanent"
    assert f"the journal has {then}, " in decision.failure.message
    assert f"comes to {now};" in decision.failure.message
    assert shop.ran == []
    assert (decision.state, decision.entries, decision.emits) == (None, (), ())
    assert decision.journaled == 2


def test_a_divergence_cannot_be_swallowed(shop: Shop) -> None:
    stored = _recorded(shop)

    def fn(ctx: Context) -> str:
        for _ in range(3):
            try:
                shop.other(1)
            except Exception:  # noqa: BLE001, S112 - what users write
                continue
        return "fine"

    decision = run(shop.flow(fn), journal=stored)
    assert decision.failure is not None
    assert decision.failure.error_type.endswith("NonDeterminismError")
    assert shop.ran == []


def test_a_divergence_cannot_be_turned_into_another_error(shop: Shop) -> None:
    stored = _recorded(shop)

    def fn(ctx: Context) -> None:
        try:
            shop.other(1)
        except Exception as error:
            raise ValueError("hides it") from error

    decision = run(shop.flow(fn), journal=stored)
    assert decision.failure is not None
    assert decision.failure.error_type.endswith("NonDeterminismError")


def _step(kind: str, name: str = "", ordinal: int = 1) -> bytes:
    return encode(Entry(ordinal, kind, name))


def _calls(shop: Shop, ctx: Context) -> None:
    shop.act(1)


def _submits(shop: Shop, ctx: Context) -> None:
    shop.act.submit(1)


def _waits(shop: Shop, ctx: Context) -> None:
    ctx.wait_for("yes", "no")


def _waits_less(shop: Shop, ctx: Context) -> None:
    ctx.wait_for("yes")


def _sleeps(shop: Shop, ctx: Context) -> None:
    ctx.sleep(1)


def _sleeps_until(shop: Shop, ctx: Context) -> None:
    ctx.sleep_until(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))


def _starts(shop: Shop, ctx: Context) -> None:
    ctx.start("pack")


def _emits(shop: Shop, ctx: Context) -> None:
    ctx.emit("done", {})


def _time(shop: Shop, ctx: Context) -> None:
    ctx.now()


def _number(shop: Shop, ctx: Context) -> None:
    ctx.random()


def _uuid(shop: Shop, ctx: Context) -> None:
    ctx.uuid()


def _result(shop: Shop, ctx: Context) -> None:
    ctx.start("pack").result()


def _continues(shop: Shop, ctx: Context) -> None:
    ctx.continue_as_new()


def _returns(shop: Shop, ctx: Context) -> None: ...


SHOWN = [
    (_calls, "action act"),
    (_submits, "action act"),
    (_waits, "wait yes|no"),
    (_sleeps, "sleep"),
    (_sleeps_until, "sleep"),
    (_starts, "start pack"),
    (_emits, "emit done"),
    (_time, "now"),
    (_number, "random"),
    (_uuid, "uuid"),
    (_continues, "continue_as_new"),
    (_returns, "the end of the workflow"),
]


def _message(shop: Shop, code: Callable[..., None], *stored: bytes) -> str:
    def fn(ctx: Context) -> None:
        code(shop, ctx)

    failure = run(shop.flow(fn, signals=["yes", "no"]), journal=stored).failure
    assert failure is not None
    assert failure.error_type.endswith("NonDeterminismError")
    assert shop.ran == []
    return failure.message


@pytest.mark.parametrize(("code", "now"), SHOWN)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("action", "other"),
        ("wait", "no|yes"),
        ("result", "/1"),
        ("start", "unpack"),
        ("emit", "undone"),
        ("sleep", "x"),
    ],
)
def test_no_kind_of_step_takes_what_another_recorded(
    shop: Shop, code: Callable[..., None], now: str, kind: str, name: str
) -> None:
    message = _message(shop, code, _step(kind, name))
    assert f"step 1: the journal has {kind} {name}, " in message
    assert f"comes to {now};" in message


IN_LINE = [_calls, _waits, _sleeps, _sleeps_until, _time, _number, _uuid]


@pytest.mark.parametrize("code", IN_LINE)
def test_what_is_done_in_line_cannot_have_been_overtaken(
    shop: Shop, code: Callable[..., None]
) -> None:
    message = _message(shop, code, _step("action", "act", 2))
    assert "step 1: the journal has no " in message


@pytest.mark.parametrize("code", [_submits, _starts, _emits])
def test_what_is_not_waited_for_may_have_been_overtaken(
    shop: Shop, code: Callable[..., None]
) -> None:
    def fn(ctx: Context) -> None:
        code(shop, ctx)
        shop.other(2)

    decision = run(shop.flow(fn), journal=(_step("action", "other", 2),))
    assert decision.failure is None


def test_a_result_in_line_cannot_have_been_overtaken(shop: Shop) -> None:
    stored = (_step("start", "pack"), _step("action", "act", 3))
    assert "step 2: the journal has no result, " in _message(shop, _result, *stored)


def test_a_wait_for_other_signals_is_another_wait(shop: Shop) -> None:
    message = _message(shop, _waits_less, _step("wait", "yes|no"))
    assert "has wait yes|no, but the function now comes to wait yes;" in message


def test_a_call_may_become_a_submit_and_back(shop: Shop) -> None:
    def calls(ctx: Context) -> None:
        shop.act(1)

    def submits(ctx: Context) -> None:
        shop.act.submit(1).result()

    for fn in (calls, submits):
        decision = run(shop.flow(fn), journal=(_step("action", "act"),))
        assert decision.failure is None
    assert shop.ran == []
