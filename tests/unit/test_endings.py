"""How an execution that can't go on ends: tried again, out of time, undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tests.unit.memory import Memory, Shop, completed, entries_of, run, signal, task
from workflow_worker import (
    ActionFailed,
    App,
    Context,
    PermanentError,
    RecoverableError,
    TransientError,
)
from workflow_worker.model import Decision, Outcome, Overdue
from workflow_worker.runtime.execute import Runner
from workflow_worker.runtime.journal import Entry

LATER_MS = 60_000


def rerun_later(app: App, effects: Memory, decision: Decision, **of: Any) -> Decision:
    """Run it again when what it waits for is due; ``effects`` go on with it."""
    effects.journal += decision.entries
    effects.skipped_ms += LATER_MS
    return run(app, journal=effects.journal, effects=effects, **{"attempt": 1, **of})


def undone(effects: Memory, decision: Decision) -> list[Entry]:
    found = entries_of(effects, decision)
    return [entry for entry in found if entry.kind == "undo"]


class Undoing(Shop):
    """A shop whose compensation ``undo`` fails as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: list[BaseException] = []

        @self.app.action
        def undo(value: object) -> object:
            self.ran.append(f"undo {value}")
            if self.failing:
                raise self.failing.pop(0)
            return value

        self.undo = undo


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


# --- the time of a workflow


def test_a_wait_ends_with_the_time_of_the_workflow() -> None:
    shop, effects = Undoing(), Memory()

    def flow(ctx: Context) -> None:
        shop.act(1)
        ctx.compensate(shop.undo, 1)
        ctx.wait_for("go", timeout=3600)

    app = shop.flow(flow, signals="go", timeout=30)
    first = run(app, effects=effects)
    assert first.outcome is Outcome.SUSPENDED
    assert first.wait is not None
    assert first.wait.delay_ms == 3_600_000
    assert first.wait.again_ms is not None
    assert 29_000 < first.wait.again_ms - 1_700_000_000_000 <= 30_100

    started_ms = 1_700_000_000_000
    last = rerun_later(app, effects, first, started_ms=started_ms)
    assert last.outcome is Outcome.FAILED
    assert last.failure is not None
    assert last.failure.error_type == "workflow_worker.errors.WorkflowTimeout"
    assert last.failure.message == "workflow flow took longer than its timeout of 30 s"
    assert last.failure.category == "permanent"
    assert shop.ran == [1, "undo 1"]


def test_nothing_new_begins_after_the_time_of_the_workflow() -> None:
    shop, effects = Shop(), Memory()

    def flow(ctx: Context) -> None:
        shop.act(1)
        effects.skipped_ms += LATER_MS
        shop.act(2)

    last = run(shop.flow(flow, timeout=30), effects=effects)

    assert last.outcome is Outcome.FAILED
    assert shop.ran == [1]


def test_a_function_that_has_come_to_its_end_completes_whatever_the_time() -> None:
    shop, effects = Shop(), Memory()

    def flow(ctx: Context) -> str:
        effects.skipped_ms += LATER_MS
        return "done"

    assert completed(run(shop.flow(flow, timeout=30), effects=effects)) == b'"done"'


def test_an_action_may_take_no_longer_than_its_workflow_has_left() -> None:
    app, effects = App("shop"), Memory()

    @app.action(timeout=50)
    def act() -> None: ...

    app.workflow(on="a", name="flow", timeout=30)(lambda ctx: act())
    run(app, effects=effects)

    (limit,) = [float(s.split()[1]) for s in effects.seen if s.startswith("limit")]
    assert 29 < limit <= 30


def test_an_action_is_not_tried_again_after_the_time_of_the_workflow() -> None:
    shop = Shop()

    def flow(ctx: Context) -> str:
        try:
            shop.act(RecoverableError("busy", retry_after=60))
        except ActionFailed as failed:
            return f"gave up after {failed.attempts}"
        return "fine"

    decision = run(shop.flow(flow, timeout=30))

    assert completed(decision) == b'"gave up after 1"'


def test_a_signal_that_came_too_late_is_not_consumed() -> None:
    shop, effects = Shop(), Memory()

    def flow(ctx: Context) -> None:
        ctx.wait_for("go")

    app = shop.flow(flow, signals="go", timeout=30)
    first = run(app, effects=effects)
    last = rerun_later(
        app, effects, first, inbox=(signal(1, "go"),), started_ms=1_700_000_000_000
    )

    assert last.outcome is Outcome.FAILED
    assert last.consumed == ()


# --- own code that had to be killed


def killed(app: App, **record: Any) -> Decision:
    hung = msgspec.structs.replace(task(**record), overdue=Overdue("1-0"))
    effects = Memory()
    effects.skipped_ms = LATER_MS
    return Runner(app, max_payload_bytes=1000).run(hung, effects)


def test_own_code_that_had_to_be_killed_is_tried_again_but_not_for_ever() -> None:
    ran = []
    app = Shop().flow(lambda ctx: ran.append(1), max_retries=1)

    first = killed(app, attempt=1)
    assert first.outcome is Outcome.RETRYING
    assert first.attempt == 2
    last = killed(app, attempt=2)
    assert last.outcome is Outcome.FAILED
    assert last.failure is not None
    assert last.failure.error_type == "workflow_worker.errors.EventTimeout"
    assert ran == [], "it would hang again"


def test_own_code_killed_at_the_end_of_its_workflows_time_is_not() -> None:
    app = Shop().flow(lambda ctx: None, timeout=30)

    last = killed(app, started_ms=1_700_000_000_000)

    assert last.outcome is Outcome.FAILED
    assert last.failure is not None
    assert last.failure.error_type == "workflow_worker.errors.WorkflowTimeout"
