"""Compensations: what was done is undone, the last first, whatever happens."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

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
from workflow_worker import ActionFailed, App, Context, InvalidPayload, current_action
from workflow_worker.errors import LeaseLost
from workflow_worker.model import Outcome
from workflow_worker.runtime.journal import Entry, encode


@dataclass
class Receipt:
    number: int


class Till(Shop):
    """A shop whose undo notes its arguments and key, and fails for ``refuse``."""

    def __init__(self) -> None:
        super().__init__()
        self.undone: list[object] = []
        self.keys: list[str] = []
        self.lost_at: object = None

        @self.app.action
        def undo(value: Any, **more: Any) -> Any:
            if value == self.lost_at:
                raise LeaseLost
            self.keys.append(current_action().idempotency_key)
            self.undone.append((value, more) if more else value)
            if value == "refuse":
                raise ValueError("no way back")
            return f"undone {value}"

        self.undo = undo


@pytest.fixture
def till() -> Till:
    return Till()


def _fails(till: Till, *values: object) -> App:
    def fn(ctx: Context) -> None:
        for value in values:
            till.act(value)
            ctx.compensate(till.undo, value)
        till.act(ValueError("no stock"))

    return till.flow(fn)


def test_a_failed_execution_is_undone_in_reverse_order(till: Till) -> None:
    effects = Memory()
    decision = run(_fails(till, 1, 2), effects=effects)
    assert till.undone == [2, 1]
    assert decision.failure is not None
    assert decision.failure.error_type == "ValueError"
    assert (decision.failure.closing, decision.failure.undone) == (3, True)
    end, *undos = entries_of(effects, decision)[3:]
    assert (end.ordinal, end.kind) == (3, "end")
    assert [(e.ordinal, e.kind, e.name, bytes(e.result)) for e in undos] == [
        (4, "undo", "undo", b'"undone 2"'),
        (5, "undo", "undo", b'"undone 1"'),
    ]


def test_a_completed_execution_is_not_undone(till: Till) -> None:
    def fn(ctx: Context) -> None:
        ctx.compensate(till.undo, 1)

    decision = run(till.flow(fn))
    completed(decision)
    assert decision.undo
    assert till.undone == []


def test_a_suspended_execution_says_that_it_would_have_to_be_undone(till: Till) -> None:
    def fn(ctx: Context) -> None:
        ctx.compensate(till.undo, 1)
        ctx.sleep(60)

    decision = run(till.flow(fn))
    assert (decision.outcome, decision.undo) == (Outcome.SUSPENDED, True)
    assert till.undone == []


def test_an_error_of_its_own_code_is_undone_and_closes_with_no_step(
    till: Till,
) -> None:
    def fn(ctx: Context) -> None:
        till.act(1)
        ctx.compensate(till.undo, 1)
        raise ValueError

    failure = run(till.flow(fn)).failure
    assert failure is not None
    assert (failure.closing, failure.undone) == (0, True)


def test_without_compensations_nothing_is_undone(till: Till) -> None:
    def fn(ctx: Context) -> None:
        till.act(1)
        raise ValueError

    failure = run(till.flow(fn)).failure
    assert failure is not None
    assert (failure.closing, failure.undone) == (0, False)


def test_a_caught_failure_undoes_nothing(till: Till) -> None:
    def fn(ctx: Context) -> None:
        ctx.compensate(till.undo, 1)
        try:
            till.act(ValueError())
        except ActionFailed:
            return

    completed(run(till.flow(fn)))
    assert till.undone == []


def test_arguments_come_as_plain_json(till: Till) -> None:
    def fn(ctx: Context) -> None:
        ctx.compensate(till.undo, Receipt(7), why=(1, 2))
        raise ValueError

    run(till.flow(fn))
    assert till.undone == [({"number": 7}, {"why": [1, 2]})]


def test_one_that_fails_keeps_no_other_from_running(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    effects = Memory()
    app = _fails(till, 1, "refuse", 3)
    decision = run(app, effects=effects)
    assert till.undone == [3, "refuse", 1]
    assert decision.failure is not None
    assert decision.failure.message == "no stock"
    assert "Its compensation undo failed too" in decision.failure.traceback
    assert "ValueError: no way back" in decision.failure.traceback
    assert "no way back" in caplog.text
    again = rerun(app, decision, effects)
    assert again.failure == decision.failure
    assert till.undone == [3, "refuse", 1]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_after_a_crash_only_what_is_not_recorded_is_undone(till: Till, at: int) -> None:
    app, effects = _fails(till, 1, 2, 3), Memory()
    till.lost_at = (3, 2, 1)[at]
    with pytest.raises(LeaseLost):
        run(app, effects=effects)
    till.lost_at = None
    decision = crashed(app, effects)
    assert till.undone == [3, 2, 1]
    assert decision.failure is not None
    assert (decision.failure.closing, decision.failure.undone) == (4, True)


def test_after_a_crash_events_before_the_end_do_not_move_it(till: Till) -> None:
    def fn(ctx: Context) -> None:
        ctx.compensate(till.undo, 1)
        ctx.compensate(till.undo, 2)
        try:
            till.act(ValueError())
        except ActionFailed:
            ctx.emit("failed", {})
            ctx.start("elsewhere")
            raise

    app, effects = till.flow(fn), Memory()
    till.lost_at = 1
    with pytest.raises(LeaseLost):
        run(app, effects=effects)
    till.lost_at = None
    for cancel in (False, True):
        till.undone.clear()
        decision = crashed(app, effects, cancel=cancel)
        assert till.undone == [1]
        assert decision.outcome is Outcome.FAILED
        assert (decision.emits, decision.children) == ((), ())


def test_an_undo_has_a_key_that_no_action_ever_has(till: Till) -> None:
    run(_fails(till, 1))
    assert till.keys == ["wf:epoch:0-e-1.flow:undo.3"]


def test_everything_seen_is_durable_before_an_undo_starts(till: Till) -> None:
    effects = Memory()
    run(_fails(till, 1, 2), effects=effects)
    assert effects.seen[-4:] == ["append 2", "start undo", "append 1", "start undo"]


def test_code_that_changed_under_its_journal_undoes_nothing(till: Till) -> None:
    stored = (encode(Entry(1, "action", "other")),)

    def fn(ctx: Context) -> None:
        ctx.compensate(till.undo, 1)
        till.act(1)

    decision = run(till.flow(fn), journal=stored)
    assert decision.failure is not None
    assert decision.failure.error_type.endswith("NonDeterminismError")
    assert not decision.failure.undone
    assert till.undone == []


def test_an_error_where_an_earlier_run_went_on_undoes_nothing(till: Till) -> None:
    stored = tuple(encode(Entry(n, "action", "act")) for n in (1, 2))

    def fn(ctx: Context) -> None:
        till.act(1)
        ctx.compensate(till.undo, 1)
        raise ValueError("a bug of the new code")

    decision = run(till.flow(fn), journal=stored)
    assert decision.failure is not None
    assert decision.failure.message == "a bug of the new code"
    assert "compensations did not run" in decision.failure.traceback
    assert not decision.failure.undone
    assert till.undone == []


def test_once_something_is_undone_the_function_cannot_go_on(till: Till) -> None:
    stored = (encode(Entry(1, "undo", "undo")),)

    def goes_on(ctx: Context) -> None:
        till.act(1)

    def returns(ctx: Context) -> None: ...

    def waits(ctx: Context) -> None:
        ctx.sleep(1)

    def undoes_another(ctx: Context) -> None:
        ctx.compensate(till.other, 1)
        raise ValueError

    for fn in (goes_on, returns, waits, undoes_another):
        failure = run(till.flow(fn), journal=stored).failure
        assert failure is not None
        assert "the journal has undo undo, but" in failure.message
        assert not failure.undone
    assert till.undone == till.ran == []


@pytest.mark.parametrize("wrong", [lambda: 1, "undo", None, Till().undo])
def test_only_an_action_of_the_app_can_compensate(till: Till, wrong: Any) -> None:
    def fn(ctx: Context) -> None:
        ctx.compensate(wrong)

    failure = run(till.flow(fn)).failure
    assert failure is not None
    assert failure.error_type.endswith("DefinitionError")


@pytest.mark.parametrize("wrong", [object(), math.nan, "x" * LIMIT])
def test_an_argument_that_cannot_be_kept_is_refused_at_the_call(
    till: Till, wrong: object
) -> None:
    def fn(ctx: Context) -> None:
        with pytest.raises(InvalidPayload, match="argument 2 of compensation undo"):
            ctx.compensate(till.undo, 1, wrong)
        with pytest.raises(InvalidPayload, match="argument why of compensation undo"):
            ctx.compensate(till.undo, 1, why=wrong)
        raise ValueError

    run(till.flow(fn))
    assert till.undone == []
