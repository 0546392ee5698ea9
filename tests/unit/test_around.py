"""Hooks around actions: they surround each try, and change nothing about it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.memory import Memory, Shop, completed, crashed, once, rerun, run
from workflow_worker import (
    ActionCall,
    Context,
    PermanentError,
    TransientError,
    current_action,
)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_hooks_nest_around_the_action_in_their_order(shop: Shop) -> None:
    def hook(name: str) -> None:
        @shop.app.around_action
        def around(call: ActionCall) -> Iterator[None]:
            shop.ran.append(f"{name} before")
            yield
            shop.ran.append(f"{name} after")

    hook("outer")
    hook("inner")

    assert completed(once(shop)) == b"7"
    assert shop.ran == [
        "outer before",
        "inner before",
        7,
        "inner after",
        "outer after",
    ]


def test_a_hook_is_told_which_try_of_what_it_surrounds(shop: Shop) -> None:
    calls: list[tuple[ActionCall, str, int]] = []
    errors: list[BaseException | None] = [TransientError("blip"), None]

    @shop.app.action
    def shaky(by: str, *, to: str) -> None:
        if error := errors.pop(0):
            raise error

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        action = current_action()
        calls.append((call, action.idempotency_key, action.attempt))
        yield

    def flow(ctx: Context) -> None:
        shaky("bert", to="anna")

    completed(run(shop.flow(flow)))

    found = [ActionCall("shaky", "flow", "0-e-1.flow", n, False) for n in (1, 2)]
    for (call, key, attempt), expected in zip(calls, found, strict=True):
        assert (call.action, call.workflow) == (expected.action, expected.workflow)
        assert (call.execution_id, call.undo) == (expected.execution_id, False)
        assert call.attempt == attempt == expected.attempt
        assert (call.args, call.kwargs) == (("bert",), {"to": "anna"})
        assert key == calls[0][1]
        assert "anna" not in repr(call)
        assert "bert" not in repr(call)


def test_a_compensation_is_surrounded_too(shop: Shop) -> None:
    calls: list[tuple[str, bool]] = []

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        calls.append((call.action, call.undo))
        yield

    def flow(ctx: Context) -> None:
        shop.act(1)
        ctx.compensate(shop.other, 2)
        raise PermanentError

    run(shop.flow(flow))
    assert calls == [("act", False), ("other", True)]


def test_what_is_read_from_the_journal_is_not_surrounded(shop: Shop) -> None:
    calls: list[str] = []

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        calls.append(call.action)
        yield

    def flow(ctx: Context) -> None:
        shop.act(1)
        shop.other(2)

    app, effects = shop.flow(flow), Memory()
    completed(run(app, effects=effects))
    before = list(calls)
    completed(crashed(app, effects))
    assert before == ["act", "other"]
    assert calls == ["act", "other", "other"], "the last one was not durable yet"


def test_a_submitted_action_is_surrounded_in_the_thread_that_runs_it(
    shop: Shop,
) -> None:
    seen: list[tuple[int, int]] = []
    running: list[int] = []

    @shop.app.action
    def where() -> None:
        running.append(threading.get_ident())

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        before = threading.get_ident()
        yield
        seen.append((before, threading.get_ident()))

    def flow(ctx: Context) -> None:
        where.submit().result()

    completed(run(shop.flow(flow)))
    assert seen == [(running[0], running[0])]


def test_an_action_outside_a_workflow_or_inside_another_is_not_surrounded(
    shop: Shop,
) -> None:
    calls: list[str] = []

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        calls.append(call.action)
        yield

    @shop.app.action
    def nested() -> Any:
        return shop.act(3)

    shop.act(2)

    def flow(ctx: Context) -> None:
        nested()

    completed(run(shop.flow(flow)))
    assert calls == ["nested"]


def test_an_error_of_the_action_is_raised_at_the_yield(shop: Shop) -> None:
    seen: list[BaseException] = []

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        try:
            yield
        except PermanentError as error:
            seen.append(error)
            raise

    error = PermanentError("no such account")
    outcome = completed(once(shop, error))

    assert seen == [error]
    assert outcome == b'"workflow_worker.errors.PermanentError no such account 1"'


def test_a_result_that_can_t_be_kept_is_an_error_of_the_action(shop: Shop) -> None:
    seen: list[str] = []

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            seen.append(type(error).__name__)
            raise

    once(shop, object())
    assert seen == ["InvalidPayload"]


def test_a_replay_after_a_change_of_hooks_is_no_divergence(shop: Shop) -> None:
    def flow(ctx: Context) -> Any:
        return shop.act(7)

    effects = Memory()
    first = run(shop.flow(flow), effects=effects)

    @shop.app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        yield

    assert completed(rerun(shop.flow(flow), first, effects)) == b"7"
