"""Code that changed under a journal: it stops, says so, and does nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.memory import Memory, Shop, run
from workflow_worker import Context


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
