"""The context: what a workflow may see and say, and for how long."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.memory import EVENT, LIMIT, Memory, rerun, run
from workflow_worker import ActionFailed, App, Context, InvalidPayload
from workflow_worker.errors import OutsideWorkflowError
from workflow_worker.model import Decision, Outcome


@pytest.fixture
def app() -> App:
    return App("shop")


def flow(app: App, fn: Callable[..., object]) -> App:
    app.workflow(on="order.placed", name="flow")(fn)
    return app


def test_a_workflow_sees_what_started_it(app: App) -> None:
    def fn(ctx: Context) -> object:
        assert ctx.event is EVENT
        return [ctx.key, ctx.execution_id, ctx.attempt]

    assert run(flow(app, fn)).result == b'["o-1","0-e-1.flow",1]'


def test_the_state_starts_empty_and_the_last_one_is_committed(app: App) -> None:
    def fn(ctx: Context) -> object:
        before = ctx.state
        ctx.set_state("one")
        ctx.set_state("two")
        return [before, ctx.state]

    decision = run(flow(app, fn))
    assert decision.result == b'["","two"]'
    assert decision.state == "two"


def test_a_state_never_set_is_not_committed(app: App) -> None:
    assert run(flow(app, lambda_like)).state is None


def lambda_like(ctx: Context) -> None: ...


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ctx: ctx.set_state(5),
        lambda ctx: ctx.set_state("\ud800"),
        lambda ctx: ctx.emit("", {}),
        lambda ctx: ctx.emit(5, {}),
        lambda ctx: ctx.emit("a", [1]),
        lambda ctx: ctx.emit("a", None),
        lambda ctx: ctx.emit("a", {"x": object()}),
        lambda ctx: ctx.emit("a", {"x": "y" * LIMIT}),
        lambda ctx: ctx.emit("a", {}, key=5),
        lambda ctx: ctx.emit("a\ud800", {}),
    ],
)
def test_what_cannot_be_said_is_refused_at_the_call(
    app: App, wrong: Callable[[Context], None]
) -> None:
    def fn(ctx: Context) -> str:
        try:
            wrong(ctx)
        except InvalidPayload:
            return "refused"
        return "taken"

    decision = run(flow(app, fn))
    assert decision.result == b'"refused"'
    assert (decision.emits, decision.state) == ((), None)


USES: list[Callable[[Context], object]] = [
    lambda ctx: ctx.event,
    lambda ctx: ctx.key,
    lambda ctx: ctx.execution_id,
    lambda ctx: ctx.attempt,
    lambda ctx: ctx.state,
    lambda ctx: ctx.logger,
    lambda ctx: ctx.set_state("late"),
    lambda ctx: ctx.emit("late", {}),
    lambda ctx: ctx.data,
    lambda ctx: ctx.wait_for("late"),
    lambda ctx: ctx.sleep(1),
    lambda ctx: ctx.sleep_until(dt.datetime.now(dt.UTC)),
    lambda ctx: ctx.start("flow"),
    lambda ctx: ctx.compensate(App("x").action(lambda_like)),
    lambda ctx: ctx.now(),
    lambda ctx: ctx.random(),
    lambda ctx: ctx.uuid(),
    lambda ctx: ctx.patched("late"),
    lambda ctx: ctx.continue_as_new(),
]


@pytest.mark.parametrize("use", USES)
def test_the_context_ends_with_its_run(
    app: App, use: Callable[[Context], object]
) -> None:
    kept: list[Context] = []
    run(flow(app, _keeper(kept)))
    with pytest.raises(OutsideWorkflowError):
        use(kept[0])


def _keeper(kept: list[Context]) -> Callable[..., None]:
    def fn(ctx: Context) -> None:
        kept.append(ctx)

    return fn


@pytest.mark.parametrize("use", USES)
def test_the_context_belongs_to_the_thread_of_its_run(
    app: App, use: Callable[[Context], object]
) -> None:
    refused: list[bool] = []

    def elsewhere(ctx: Context) -> None:
        try:
            use(ctx)
        except OutsideWorkflowError:
            refused.append(True)

    def fn(ctx: Context) -> None:
        thread = threading.Thread(target=elsewhere, args=(ctx,))
        thread.start()
        thread.join()

    decision = run(flow(app, fn))
    assert refused == [True]
    assert (decision.emits, decision.state) == ((), None)


@pytest.mark.parametrize("use", USES[6:])
def test_an_action_cannot_speak_for_its_workflow(
    app: App, use: Callable[[Context], object]
) -> None:
    holder: list[Context] = []

    @app.action
    def act() -> None:
        use(holder[0])

    def fn(ctx: Context) -> bool:
        holder.append(ctx)
        try:
            act()
        except ActionFailed as error:
            return error.matches(OutsideWorkflowError)
        return False

    decision = run(flow(app, fn))
    assert decision.result == b"true"
    assert (decision.emits, decision.state) == ((), None)


def test_the_context_of_another_run_is_not_this_ones(app: App) -> None:
    kept: list[Context] = []
    run(flow(app, _keeper(kept)))
    other = App("other")

    def fn(ctx: Context) -> str:
        return kept[0].key

    decision = run(flow(other, fn))
    assert decision.failure is not None
    assert decision.failure.error_type.endswith("OutsideWorkflowError")


def _talkative(app: App) -> App:
    @app.action
    def act(n: int) -> int:
        return n

    def fn(ctx: Context) -> None:
        log = ctx.logger
        log.info("before")
        act(1)
        log.info("between")
        ctx.emit("a", {})
        act(2)
        log.info("after %d", 2, extra={"order": "o-1"})

    return flow(app, fn)


def _first_run(app: App) -> tuple[Decision, Memory]:
    effects = Memory()
    return run(app, effects=effects), effects


def test_the_logger_is_named_after_the_workflow_and_takes_extra(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _first_run(_talkative(app))
    assert [r.getMessage() for r in caplog.records] == ["before", "between", "after 2"]
    last: Any = caplog.records[-1]
    assert (last.name, last.order) == ("workflow.flow", "o-1")
    assert last.filename == "test_context.py"


def test_the_logger_is_silent_about_what_an_earlier_run_has_said(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    app = _talkative(app)
    _, effects = _first_run(app)
    caplog.set_level(logging.INFO)
    caplog.clear()
    assert len(effects.journal) == 1
    run(app, journal=effects.journal)
    assert [r.getMessage() for r in caplog.records] == ["between", "after 2"]


def test_after_a_whole_replay_the_logger_speaks_again(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    app = _talkative(app)
    first, effects = _first_run(app)
    caplog.set_level(logging.INFO)
    caplog.clear()
    assert rerun(app, first, effects).outcome is Outcome.COMPLETED
    assert [r.getMessage() for r in caplog.records] == ["after 2"]
