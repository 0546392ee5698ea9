"""Running a workflow: how each end of a function becomes a decision."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest

from tests.unit.memory import EVENT, LIMIT, Memory, run, task
from workflow_worker import (
    App,
    Context,
    Event,
    OutsideWorkflowError,
    PermanentError,
    RecoverableError,
    TransientError,
)
from workflow_worker.errors import Halted, LeaseLost
from workflow_worker.model import Decision, Emission, Failure, Outcome, Record
from workflow_worker.runtime.execute import Runner


@dataclass
class Order:
    order_id: str
    cents: int


class Paid(TypedDict):
    cents: int


class Sent(msgspec.Struct):
    order_id: str
    cents: float = 0.5


@pytest.fixture
def app() -> App:
    return App("shop")


def flow(app: App, fn: Callable[..., object], **declared: Any) -> App:
    app.workflow(on="order.placed", name="flow", **declared)(fn)
    return app


def failure_of(decision: Decision) -> Failure:
    assert decision.outcome is Outcome.FAILED
    assert decision.failure is not None
    return decision.failure


def test_what_a_workflow_returns_is_its_result(app: App) -> None:
    def fn(ctx: Context) -> Any:
        return Order("o-1", 5)

    decision = run(flow(app, fn))
    assert decision.outcome is Outcome.COMPLETED
    assert decision.result == b'{"order_id":"o-1","cents":5}'
    assert decision.failure is None


def test_a_workflow_that_returns_nothing_has_no_result(app: App) -> None:
    def fn(ctx: Context) -> None: ...

    assert run(flow(app, fn)) == Decision(Outcome.COMPLETED)


def test_version_and_lifetime_of_the_result_go_with_the_decision(app: App) -> None:
    @app.workflow(on="a", name="flow", version="7", result_ttl=2)
    def fn(ctx: Context) -> None: ...

    decision = run(app)
    assert (decision.version, decision.result_ttl_ms) == ("7", 2000)


def test_the_runner_knows_what_the_app_declares(app: App) -> None:
    app.workflow(on="a", name="flow", version="7")(_with_event)
    runner = Runner(app, max_payload_bytes=LIMIT)
    assert runner.knows("flow")
    assert not runner.knows("other")
    assert runner.version_of("flow") == "7"


def _with_event(ctx: Context, event: Event) -> str:
    return event.name


def _bare(ctx, event) -> str:  # type: ignore[no-untyped-def]
    return str(event.name)


def _dataclass(ctx: Context, order: Order) -> str:
    return f"{type(order).__name__} {order.cents}"


def _typed_dict(ctx: Context, paid: Paid) -> int:
    return paid["cents"]


def _struct(ctx: Context, sent: Sent) -> str:
    return f"{type(sent).__name__} {sent.cents}"


@pytest.mark.parametrize(
    ("fn", "result"),
    [
        (_with_event, b'"order.placed"'),
        (_bare, b'"order.placed"'),
        (_dataclass, b'"Order 5"'),
        (_typed_dict, b"5"),
        (_struct, b'"Sent 5.0"'),
    ],
)
def test_a_workflow_gets_what_its_second_parameter_asks_for(
    app: App, fn: Callable[..., object], result: bytes
) -> None:
    assert run(flow(app, fn)).result == result


def test_a_payload_of_another_shape_is_a_permanent_error_that_names_the_field(
    app: App,
) -> None:
    event = Event("order.placed", {"order_id": "o-1", "cents": "5"}, "k", "i")
    failure = failure_of(run(flow(app, _dataclass), event=event))
    assert failure.category == "permanent"
    assert failure.error_type == "workflow_worker.errors.InvalidPayload"
    assert failure.message == (
        "payload for workflow flow, field cents: expected int, got str"
    )


def test_an_entry_that_cannot_be_decoded_fails_with_its_defect(app: App) -> None:
    runner = Runner(flow(app, _with_event), max_payload_bytes=LIMIT)
    decision = runner.run(task(event=None, defect="no field name"), Memory())
    failure = failure_of(decision)
    assert (failure.category, failure.message) == ("permanent", "no field name")
    assert failure.error_type == "workflow_worker.errors.InvalidPayload"


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (TransientError("x"), "transient"),
        (RecoverableError("x"), "recoverable"),
        (PermanentError("x"), "permanent"),
        (ValueError("x"), "permanent"),
        (SystemExit("x"), "permanent"),
        (KeyboardInterrupt("x"), "permanent"),
        (GeneratorExit("x"), "permanent"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_user_code_raises_fails_the_execution(
    app: App, error: BaseException, category: str
) -> None:
    def fn(ctx: Context) -> None:
        raise error

    failure = failure_of(run(flow(app, fn, max_retries=0)))
    assert failure.category == category
    assert failure.error_type.endswith(type(error).__name__)
    assert failure.message == "x"
    assert failure.attempts == 1


def test_a_failure_shows_the_users_frames_and_none_of_ours(app: App) -> None:
    def fn(ctx: Context) -> None:
        try:
            _ = EVENT.payload["inner"]
        except KeyError as error:
            raise ValueError("outer") from error

    text = failure_of(run(flow(app, fn))).traceback
    assert 'EVENT.payload["inner"]' in text
    assert 'raise ValueError("outer") from error' in text
    assert text.endswith("ValueError: outer\n")
    assert "/runtime/" not in text


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def _recursive() -> None:
    _recursive()


@pytest.mark.parametrize(
    "error", [HostileError(), ValueError("\udcff"), ValueError("x" * 10**6)], ids=repr
)
def test_no_exception_is_too_strange_to_be_recorded(app: App, error: Exception) -> None:
    def fn(ctx: Context) -> None:
        raise error

    failure = failure_of(run(flow(app, fn, max_retries=0)))
    assert len(msgspec.json.encode(failure)) < 100_000


def test_endless_recursion_fails_the_execution_alone(app: App) -> None:
    def fn(ctx: Context) -> None:
        _recursive()

    assert failure_of(run(flow(app, fn, max_retries=0))).error_type == "RecursionError"


@pytest.mark.parametrize("result", [object(), math.nan, "x" * LIMIT, {1, object()}])
def test_a_result_that_cannot_be_stored_is_permanent_and_names_the_workflow(
    app: App, result: object
) -> None:
    def fn(ctx: Context) -> object:
        return result

    failure = failure_of(run(flow(app, fn, max_retries=0)))
    assert failure.category == "permanent"
    assert "result of workflow flow" in failure.message


def test_the_attempt_is_told_to_the_workflow_and_to_the_failure(app: App) -> None:
    def fn(ctx: Context) -> None:
        raise ValueError(str(ctx.attempt))

    again = msgspec.structs.replace(task(), record=Record(3, "retrying", attempt=2))
    runner = Runner(flow(app, fn), max_payload_bytes=LIMIT)
    failure = failure_of(runner.run(again, Memory()))
    assert (failure.message, failure.attempts) == ("2", 2)


def test_events_to_emit_go_with_the_commit_in_their_order(app: App) -> None:
    def fn(ctx: Context) -> None:
        ctx.emit("a", {"n": 1})
        ctx.emit("b", Order("o", 2), key="k")

    assert run(flow(app, fn)).emits == (
        Emission("a", b'{"n":1}'),
        Emission("b", b'{"order_id":"o","cents":2}', "k"),
    )


def test_a_failed_run_emits_nothing(app: App) -> None:
    def fn(ctx: Context) -> None:
        ctx.emit("a", {})
        raise ValueError

    decision = run(flow(app, fn))
    assert decision.outcome is Outcome.FAILED
    assert decision.emits == ()


@pytest.mark.parametrize("raised", [LeaseLost, Halted])
def test_what_unwinds_for_our_reasons_leaves_without_a_decision(
    app: App, raised: type[BaseException]
) -> None:
    def fn(ctx: Context) -> None:
        raise raised

    with pytest.raises(raised):
        run(flow(app, fn))


@pytest.mark.parametrize("raised", [LeaseLost, Halted])
def test_an_action_that_was_unwound_is_not_taken_for_failed(
    app: App, raised: type[BaseException]
) -> None:
    @app.action
    def act() -> None:
        raise raised

    def fn(ctx: Context) -> None:
        with contextlib.suppress(Exception):
            act()

    with pytest.raises(raised):
        run(flow(app, fn))


def test_a_lost_lease_cannot_be_swallowed(app: App) -> None:
    done: list[str] = []

    @app.action
    def act(name: str) -> None:
        done.append(name)

    def fn(ctx: Context) -> str:
        act("first")
        for name in ("second", "third"):
            try:
                act(name)
            except BaseException:  # noqa: BLE001, S112 - what users write
                continue
        return "fine"

    effects = Memory()
    effects.lose_lease = True
    with pytest.raises(LeaseLost):
        run(flow(app, fn), effects=effects)
    assert done == ["first"]


def test_a_lost_lease_cannot_be_turned_into_an_error(app: App) -> None:
    @app.action
    def act() -> None: ...

    def fn(ctx: Context) -> None:
        act()
        try:
            act()
        finally:
            raise ValueError("hides it")

    effects = Memory()
    effects.lose_lease = True
    with pytest.raises(LeaseLost):
        run(flow(app, fn), effects=effects)


def test_after_a_run_actions_are_plain_functions_again(app: App) -> None:
    @app.action
    def act() -> int:
        return 7

    def fn(ctx: Context) -> None:
        raise ValueError

    run(flow(app, fn))
    assert act() == 7


def test_threads_share_a_runner(app: App) -> None:
    together = threading.Barrier(2, timeout=10)

    @app.action
    def act(key: str) -> str:
        together.wait()
        return key

    def fn(ctx: Context) -> str:
        return act(ctx.key)

    runner = Runner(flow(app, fn), max_payload_bytes=LIMIT)
    results: dict[str, bytes | None] = {}

    def one(key: str) -> None:
        event = msgspec.structs.replace(EVENT, key=key)
        results[key] = runner.run(task(event=event), Memory()).result

    threads = [threading.Thread(target=one, args=(key,)) for key in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"a": b'"a"', "b": b'"b"'}


def test_an_action_from_a_thread_of_the_workflow_is_refused(app: App) -> None:
    caught: list[BaseException] = []

    @app.action
    def act() -> int:
        return 7

    def elsewhere() -> None:
        try:
            act()
        except OutsideWorkflowError as error:
            caught.append(error)

    def fn(ctx: Context) -> int:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return len(caught)

    assert run(flow(app, fn)).result == b"1"
    assert "act.fn" in str(caught[0])
