"""Whatever a hook around an action does, what comes of the action stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.unit.memory import Memory, Shop, completed, once, run
from workflow_worker import (
    ActionCall,
    ActionFailed,
    Context,
    PermanentError,
    current_action,
)
from workflow_worker.errors import LeaseLost, TimeUp
from workflow_worker.model import Outcome


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_an_error_that_a_hook_swallows_is_the_outcome_all_the_same(shop: Shop) -> None:
    heard: list[str] = []

    @shop.app.around_action
    def outer(call: ActionCall) -> Iterator[None]:
        try:
            yield
        except PermanentError:
            heard.append("outer")

    @shop.app.around_action
    def inner(call: ActionCall) -> Iterator[None]:
        try:
            yield
        except PermanentError:
            heard.append("inner")

    outcome = completed(once(shop, PermanentError("no")))
    assert outcome == b'"workflow_worker.errors.PermanentError no 1"'
    assert heard == ["inner", "outer"]


@pytest.mark.parametrize("error", [None, PermanentError("secret-of-the-action")])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, StopIteration])
def test_what_a_hook_raises_is_logged_and_changes_nothing(
    shop: Shop,
    caplog: pytest.LogCaptureFixture,
    when: str,
    error: PermanentError | None,
    kind: type[BaseException],
) -> None:
    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        if when == "before":
            raise kind("of the hook")
        try:
            yield
        finally:
            raise kind("of the hook")

    outcome = completed(once(shop, error or 7))

    said = b'"workflow_worker.errors.PermanentError secret-of-the-action 1"'
    assert outcome == (said if error else b"7")
    assert shop.ran == [error or 7]
    [record] = caplog.records
    assert "around_action hook" in record.message
    assert "test_outcome_stands.py" in record.message
    assert "of the hook" in caplog.text
    assert "secret-of-the-action" not in caplog.text


def test_a_hook_that_does_not_yield_is_logged_and_left_out(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        if call.attempt > 1:
            yield

    assert completed(once(shop)) == b"7"
    assert "did not yield: the action runs without it" in caplog.text


@pytest.mark.parametrize("error", [None, PermanentError("no")])
def test_a_hook_that_yields_twice_is_logged_and_closed(
    shop: Shop, caplog: pytest.LogCaptureFixture, error: PermanentError | None
) -> None:
    closed: list[bool] = []

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        try:
            with suppress(PermanentError):
                yield
            yield
        finally:
            closed.append(True)

    outcome = completed(once(shop, error or 7))
    said = b'"workflow_worker.errors.PermanentError no 1"'
    assert outcome == (said if error else b"7")
    assert "yielded twice" in caplog.text
    assert closed == [True]


def test_a_hook_that_will_not_be_closed_is_logged(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        for _ in range(3):
            try:
                yield
            except GeneratorExit:
                continue

    assert completed(once(shop)) == b"7"
    assert "failed when it was closed" in caplog.text


@pytest.mark.parametrize("swallows", [True, False])
def test_the_end_of_the_time_passes_through_a_hook(shop: Shop, swallows: bool) -> None:
    heard: list[str] = []

    @shop.app.action(timeout=5, max_retries=0)
    def late() -> None:
        raise TimeUp

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            heard.append(type(error).__name__)
            if not swallows:
                raise

    def flow(ctx: Context) -> str:
        try:
            late()
        except ActionFailed as failed:
            return failed.error_type
        return "it succeeded"

    assert b"ActionTimeout" in (completed(run(shop.flow(flow))) or b"")
    assert heard == ["TimeUp"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_end_of_the_time_in_a_hook_is_that_of_the_action(
    shop: Shop, when: str
) -> None:
    ended: list[str] = []

    @shop.app.action(timeout=5, max_retries=0)
    def quick() -> None: ...

    @shop.app.around_action
    def outer(call: ActionCall) -> Iterator[None]:
        try:
            yield
        finally:
            ended.append("outer")

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        if when == "before":
            raise TimeUp
        yield
        raise TimeUp

    def flow(ctx: Context) -> str:
        try:
            quick()
        except ActionFailed as failed:
            return failed.error_type
        return "it succeeded"

    assert b"ActionTimeout" in (completed(run(shop.flow(flow))) or b"")
    assert ended == ["outer"]


@pytest.mark.parametrize("stop", [TimeUp, LeaseLost])
def test_control_flow_in_a_hook_goes_before_an_error_of_the_action(
    shop: Shop, stop: type[BaseException]
) -> None:
    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        try:
            yield
        finally:
            raise stop

    if stop is TimeUp:
        # Unlike the action's own error it is tried again.
        assert once(shop, PermanentError("no")).outcome is Outcome.RETRYING
    else:
        with pytest.raises(LeaseLost):
            once(shop, PermanentError("no"))


def test_a_stop_iteration_of_the_action_is_an_error_like_any_other(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        yield

    assert completed(once(shop, StopIteration("no"))) == b'"StopIteration no 1"'
    assert caplog.records == []


@pytest.mark.parametrize("where", ["action", "before", "after"])
def test_a_lost_lease_passes_through_hooks(shop: Shop, where: str) -> None:
    effects = Memory()

    @shop.app.action
    def end() -> None:
        if where == "action":
            raise LeaseLost

    @shop.app.around_action
    def swallow(call: ActionCall) -> Iterator[None]:
        with suppress(BaseException):
            yield

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        effects.lose_lease = where == "before"
        current_action().heartbeat()
        yield
        effects.lose_lease = where == "after"
        current_action().heartbeat()

    def flow(ctx: Context) -> None:
        end()

    with pytest.raises(LeaseLost):
        run(shop.flow(flow), effects=effects)


def test_where_the_action_failed_is_kept_without_the_frames_of_hooks(
    shop: Shop,
) -> None:
    @shop.app.around_action
    def a_hook_that_passes_it_on(call: ActionCall) -> Iterator[None]:
        yield

    def flow(ctx: Context) -> None:
        shop.act(PermanentError("no"))

    decision = run(shop.flow(flow))
    assert decision.outcome is Outcome.FAILED
    assert decision.failure is not None
    assert "in act" in decision.failure.traceback
    assert "a_hook_that_passes_it_on" not in decision.failure.traceback
