"""Where an action is called: which thread, inside what, and what it may know there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.memory import LIMIT, Memory, Shop, completed, run, task
from workflow_worker import ActionFailed, Context, OutsideWorkflowError, current_action
from workflow_worker.model import Outcome
from workflow_worker.ports import Effects
from workflow_worker.runtime.execute import Runner
from workflow_worker.runtime.journal import decode


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_outside_a_workflow_submit_is_the_plain_function_now(shop: Shop) -> None:
    assert shop.act.submit(5).result() == 5
    failed = shop.act.submit(ValueError("x"))
    assert shop.ran[0] == 5
    with pytest.raises(ValueError, match="x"):
        failed.result()


@pytest.mark.parametrize("how", ["call", "submit"])
def test_inside_an_action_submit_is_the_plain_function_now(
    shop: Shop, how: str
) -> None:
    @shop.app.action
    def outer() -> Any:
        future = shop.act.submit(1)
        return [shop.ran[-1], future.result(), shop.act(2)]

    def fn(ctx: Context) -> object:
        return outer() if how == "call" else outer.submit().result()

    decision = run(shop.flow(fn))
    assert completed(decision) == b"[1,1,2]"
    assert [decode(data).name for data in decision.entries] == ["outer"]


def _refused_in_a_thread(use: Callable[[], object]) -> bool:
    found: list[bool] = []

    def elsewhere() -> None:
        try:
            use()
        except OutsideWorkflowError:
            found.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    return found == [True]


def test_another_thread_can_neither_submit_nor_take_a_result(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        future = shop.act.submit(1)
        return [
            _refused_in_a_thread(lambda: shop.act.submit(2)),
            _refused_in_a_thread(future.result),
            future.result(),
        ]

    assert completed(run(shop.flow(fn))) == b"[true,true,1]"


def test_a_future_ends_with_its_run(shop: Shop) -> None:
    kept: list[Any] = []

    def fn(ctx: Context) -> None:
        kept.append(shop.act.submit(1))

    app = shop.flow(fn)
    first = run(app)
    run(app, journal=first.entries)
    for future in kept:
        with pytest.raises(OutsideWorkflowError):
            future.result()


@pytest.mark.parametrize("how", ["call", "submit"])
def test_the_context_is_refused_inside_an_action_on_whatever_thread(
    shop: Shop, how: str
) -> None:
    contexts: list[Context] = []

    @shop.app.action
    def speak() -> None:
        contexts[0].emit("a", {})

    def fn(ctx: Context) -> object:
        contexts.append(ctx)
        try:
            return speak() if how == "call" else speak.submit().result()
        except ActionFailed as error:
            return error.matches(OutsideWorkflowError)

    decision = run(shop.flow(fn))
    assert completed(decision) == b"true"
    assert decision.emits == ()


@pytest.mark.parametrize("how", ["call", "submit"])
@pytest.mark.parametrize(("again", "mark"), [(0, "2"), (3, "3.2")])
def test_an_action_knows_its_idempotency_key_and_attempt(
    shop: Shop, how: str, again: int, mark: str
) -> None:
    @shop.app.action
    def who() -> list[Any]:
        current = current_action()
        return [current.idempotency_key, current.attempt, current.lost()]

    def fn(ctx: Context) -> object:
        ctx.emit("a", {})
        return who() if how == "call" else who.submit().result()

    decision = run(shop.flow(fn), run=again)
    assert completed(decision) == b'["wf:epoch:0-e-1.flow:%s",1,false]' % mark.encode()


def test_an_action_can_tell_that_its_lease_is_lost(shop: Shop) -> None:
    effects = Memory()

    @shop.app.action
    def lost() -> bool:
        effects.lose_lease = True
        return current_action().lost()

    def fn(ctx: Context) -> bool:
        return lost()

    assert completed(run(shop.flow(fn), effects=effects)) == b"true"


def test_there_is_no_current_action_outside_of_one(shop: Shop) -> None:
    @shop.app.action
    def who() -> object:
        return current_action()

    def fn(ctx: Context) -> str:
        shop.act(1)
        with pytest.raises(OutsideWorkflowError):
            current_action()
        return "refused"

    assert completed(run(shop.flow(fn))) == b'"refused"'
    for use in (current_action, who):
        with pytest.raises(OutsideWorkflowError):
            use()


def test_a_workflow_that_runs_inside_an_action_has_actions_of_its_own(
    shop: Shop,
) -> None:
    inner = shop.flow(lambda_free)

    @shop.app.action
    def nested() -> int:
        effects: Effects = Memory()
        decision = Runner(inner, max_payload_bytes=LIMIT).run(task(), effects)
        assert decision.outcome is Outcome.COMPLETED
        return current_action().attempt

    def fn(ctx: Context) -> int:
        return nested()

    assert completed(run(shop.flow(fn))) == b"1"


def lambda_free(ctx: Context) -> None:
    ctx.set_state("inner")
