"""An execution whose time is over ends, wherever it is."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.unit.memory import Memory, Shop, completed, run, signal, task
from tests.unit.undoing import LATER_MS, Undoing, rerun_later
from workflow_worker import (
    ActionFailed,
    App,
    Context,
    RecoverableError,
)
from workflow_worker.model import Decision, Outcome, Overdue
from workflow_worker.runtime.execute import Runner

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
