"""How an execution that can't go on ends: tried again, out of time, undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.memory import Memory, Shop, completed, entries_of, run
from tests.unit.undoing import Undoing, rerun_later, undone
from workflow_worker import (
    ActionFailed,
    Context,
    PermanentError,
    RecoverableError,
    TransientError,
)
from workflow_worker.model import Outcome

# --- errors of the workflow's own code


def test_an_error_of_the_workflows_own_code_is_tried_again_from_its_journal() -> None:
    shop, errors = Shop(), [RuntimeError("once")]

    def flow(ctx: Context) -> int:
        done = shop.act(1)
        if errors:
            raise errors.pop()
        return done + ctx.attempt

    app, effects = shop.flow(flow), Memory()
    first = run(app, effects=effects)

    assert first.outcome is Outcome.RETRYING
    assert first.attempt == 2
    assert first.failure is not None
    assert first.failure.error_type == "RuntimeError"
    assert completed(rerun_later(app, effects, first, attempt=2)) == b"3"
    assert shop.ran == [1], "its actions do not run again"


def test_what_a_failed_run_buffered_is_void() -> None:
    shop = Shop()

    def flow(ctx: Context) -> None:
        shop.act(1)
        ctx.emit("never", {})
        ctx.start("other")
        ctx.set_state("wrong")
        ctx.data["wrong"] = 1
        raise RuntimeError

    decision = run(shop.flow(flow))

    assert decision.outcome is Outcome.RETRYING
    assert (decision.emits, decision.children) == ((), ())
    assert (decision.state, decision.data) == (None, None)
    assert [entry.kind for entry in entries_of(Memory(), decision)] == ["action"]


def test_a_transient_error_of_own_code_is_tried_again_at_once() -> None:
    def flow(ctx: Context) -> None:
        raise TransientError

    effects = Memory()
    decision = run(Shop().flow(flow), effects=effects)

    assert decision.wait is not None
    assert decision.wait.again_ms is not None
    assert decision.wait.again_ms <= effects.now_ms()


def test_a_workflow_is_tried_max_retries_times_more() -> None:
    def flow(ctx: Context) -> None:
        raise RuntimeError

    app = Shop().flow(flow, max_retries=2)

    assert run(app, attempt=2).outcome is Outcome.RETRYING
    last = run(app, attempt=3)
    assert last.outcome is Outcome.FAILED
    assert last.failure is not None
    assert last.failure.attempts == 3


def test_a_programming_error_is_not_tried_again() -> None:
    def flow(ctx: Context) -> None:
        None.nothing  # type: ignore[attr-defined]  # noqa: B018

    assert run(Shop().flow(flow)).outcome is Outcome.FAILED


def test_an_actions_error_is_not_tried_again_by_its_workflow() -> None:
    shop = Shop()

    def raw(ctx: Context) -> None:
        shop.act(PermanentError("no"))

    def wrapped(ctx: Context) -> None:
        try:
            shop.act(PermanentError("no"))
        except ActionFailed as failed:
            raise RuntimeError("mine") from failed

    for flow in (raw, wrapped):
        assert run(shop.flow(flow)).outcome is Outcome.FAILED


# --- compensations


def failing(shop: Undoing) -> Callable[[Context], None]:
    def flow(ctx: Context) -> None:
        for value in (1, 2):
            shop.act(value)
            ctx.compensate(shop.undo, value)
        shop.act(PermanentError("no"))

    return flow


def test_a_compensation_is_tried_again_and_those_before_it_wait() -> None:
    shop, effects = Undoing(), Memory()
    shop.failing = [RecoverableError("busy")]
    app = shop.flow(failing(shop))
    first = run(app, effects=effects)

    assert first.outcome is Outcome.RETRYING
    assert first.ending
    assert [v for v in shop.ran if isinstance(v, str)] == ["undo 2"]

    last = rerun_later(app, effects, first)
    assert last.outcome is Outcome.FAILED
    assert last.failure is not None
    assert last.failure.message == "no"
    assert last.failure.undone
    assert shop.ran[-2:] == ["undo 2", "undo 1"]
    assert [(e.name, e.attempt) for e in undone(effects, last)] == [
        ("undo", 2),
        ("undo", 1),
    ]


def test_a_compensation_that_fails_for_good_keeps_no_other_from_running() -> None:
    shop, effects = Undoing(), Memory()
    shop.failing = [PermanentError("stuck")]

    last = run(shop.flow(failing(shop)), effects=effects)

    assert last.outcome is Outcome.FAILED
    assert last.failure is not None
    assert "stuck" in last.failure.traceback
    assert shop.ran[-1] == "undo 1"


def test_compensations_run_only_when_the_last_try_has_failed() -> None:
    shop = Undoing()

    def flow(ctx: Context) -> None:
        ctx.compensate(shop.undo, 1)
        raise RuntimeError

    app = shop.flow(flow, max_retries=1)

    assert run(app, attempt=1).outcome is Outcome.RETRYING
    assert shop.ran == []
    assert run(app, attempt=2).outcome is Outcome.FAILED
    assert shop.ran == ["undo 1"]


def test_it_is_undone_for_the_end_it_first_came_to() -> None:
    """Code that was mended, or is in a better mood, does not turn a half undone one."""
    shop, effects = Undoing(), Memory()
    shop.failing = [RecoverableError("busy")]
    mood = [PermanentError("bad mood")]

    def flow(ctx: Context) -> str:
        shop.act(1)
        ctx.compensate(shop.undo, 1)
        if mood:
            raise mood.pop()
        ctx.compensate(shop.undo, 2)
        shop.act(3)
        return "fine"

    app = shop.flow(flow)
    first = run(app, effects=effects)
    assert first.outcome is Outcome.RETRYING

    last = rerun_later(app, effects, first)

    assert last.outcome is Outcome.FAILED
    assert last.failure is not None
    assert last.failure.message == "bad mood"
    assert shop.ran == [1, "undo 1", "undo 1"], "neither step 3 nor its undo began"


def test_a_crash_while_it_is_undone_changes_nothing() -> None:
    shop, effects = Undoing(), Memory()
    mood = [PermanentError("bad mood")]

    def flow(ctx: Context) -> str:
        for value in (1, 2):
            ctx.compensate(shop.undo, value)
        if mood:
            raise mood.pop()
        return "fine"

    app = shop.flow(flow)
    run(app, effects=effects)  # and its commit is lost
    assert shop.ran == ["undo 2", "undo 1"]

    again = Memory(effects.journal)
    last = run(app, journal=effects.journal, effects=again)

    assert last.outcome is Outcome.FAILED
    assert last.failure is not None
    assert last.failure.message == "bad mood"
    assert shop.ran[2:] == ["undo 1"], "what was recorded does not run again"


def test_a_cancel_while_it_is_undone_leaves_it_failed() -> None:
    shop, effects = Undoing(), Memory()
    shop.failing = [RecoverableError("busy")]
    app = shop.flow(failing(shop))
    first = run(app, effects=effects)

    last = rerun_later(app, effects, first, cancel=True)

    assert last.outcome is Outcome.FAILED


def test_a_cancelled_execution_is_undone_with_retries_too() -> None:
    shop, effects = Undoing(), Memory()
    shop.failing = [RecoverableError("busy")]

    def flow(ctx: Context) -> None:
        ctx.compensate(shop.undo, 1)
        ctx.wait_for("go")

    app = shop.flow(flow, signals="go")
    first = run(app, effects=effects, cancel=True)
    assert (first.outcome, first.ending) == (Outcome.RETRYING, True)

    last = rerun_later(app, effects, first, cancel=True)
    assert last.outcome is Outcome.CANCELLED
    assert shop.ran == ["undo 1", "undo 1"]


def test_a_compensation_that_waits_for_a_try_is_found_again() -> None:
    """Also where what was asked for before it was only buffered."""
    shop = Undoing()
    shop.failing = [RecoverableError("busy")]

    def flow(ctx: Context) -> None:
        shop.act(0)
        ctx.emit("n", {})
        ctx.compensate(shop.undo, "a")
        shop.act(1)

    class Cancelling(Memory):
        def append(self, *args: Any) -> bool:
            return super().append(*args) or True

    app, effects = shop.flow(flow), Cancelling()
    first = run(app, effects=effects)
    assert (first.outcome, first.ending) == (Outcome.RETRYING, True)

    last = rerun_later(app, effects, first, cancel=True)

    assert last.outcome is Outcome.CANCELLED
    assert shop.ran == [0, "undo a", "undo a"]
    assert [(e.ordinal, e.attempt) for e in undone(effects, last)] == [(3, 2)]
