"""Hooks: what may be declared, and in which order they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from workflow_worker import ActionCall, App, DefinitionError

KINDS = ("on_worker_start", "on_worker_stop", "around_action", "on_dead_letter")


def declare(app: App, kind: str, fn: Any) -> Any:
    return getattr(app, kind)(fn)


class Holder:
    def method(self) -> None: ...

    def around(self) -> Iterator[None]:
        yield


async def coroutine() -> None: ...


async def async_generator(call: ActionCall) -> Any:
    yield


def nothing() -> None: ...


def told(notice: object) -> None: ...


def generator(call: ActionCall) -> Iterator[None]:
    yield


def plain_generator() -> Iterator[None]:
    yield


@contextmanager
def manager(call: ActionCall) -> Iterator[None]:
    yield


def two(a: object, b: object) -> None: ...


def two_and_yield(a: object, b: object) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("kind", "fn", "complaint"),
    [
        *((kind, coroutine, "is async: write it with a plain def") for kind in KINDS),
        *((kind, async_generator, "is async") for kind in KINDS),
        *((kind, Holder().method, "must be a plain function") for kind in KINDS),
        *((kind, print, "must be a plain function") for kind in KINDS),
        ("on_worker_start", Holder.method, "is a member of a class"),
        ("around_action", Holder.around, "is a member of a class"),
        ("on_worker_start", told, "is called with nothing, but takes"),
        ("on_worker_stop", told, "is called with nothing, but takes"),
        ("on_dead_letter", nothing, "is called with a DeadLetterNotice, but takes"),
        ("on_dead_letter", two, "is called with a DeadLetterNotice, but takes"),
        ("around_action", plain_generator, "is called with an ActionCall, but takes"),
        ("around_action", two_and_yield, "is called with an ActionCall, but takes"),
        ("around_action", told, "must be a generator: yield once"),
        ("around_action", manager, "must be a generator: yield once"),
        ("on_worker_start", plain_generator, "is a generator: return instead"),
        ("on_dead_letter", generator, "is a generator: return instead of yield"),
    ],
)
def test_what_can_t_be_a_hook_is_refused_where_it_is_declared(
    kind: str, fn: Callable[..., object], complaint: str
) -> None:
    with pytest.raises(DefinitionError, match=f"^{kind} hook .*{complaint}"):
        declare(App("shop"), kind, fn)


def test_a_hook_stays_what_it_is() -> None:
    app = App("shop")
    for kind, fn in zip(KINDS, (nothing, nothing, generator, told), strict=True):
        assert declare(app, kind, fn) is fn


def names(app: App, kind: str) -> list[str]:
    return [hook.fn.__name__ for hook in getattr(app.hooks, kind)]


def test_hooks_run_in_the_order_of_their_declaration_whatever_app_they_are_of() -> None:
    app, part = App("shop"), App("part")

    @app.on_worker_start
    def first() -> None: ...

    @part.on_worker_start
    def second() -> None: ...

    @app.on_worker_start
    def third() -> None: ...

    app.include(part)

    @part.on_worker_start
    def fourth() -> None: ...

    assert names(app, "start") == ["first", "second", "third", "fourth"]
    assert names(part, "start") == ["second", "fourth"]


def test_hooks_of_the_stop_run_the_other_way_round() -> None:
    app = App("shop")

    @app.on_worker_stop
    def first() -> None: ...

    @app.on_worker_stop
    def second() -> None: ...

    assert names(app, "stop") == ["second", "first"]


def test_a_hook_that_comes_over_two_included_apps_runs_once() -> None:
    app, left, right, common = (App(name) for name in "alrc")
    common.on_worker_start(nothing)
    for part in (left, right):
        part.include(common)
        app.include(part)
    app.on_worker_start(nothing)

    assert names(app, "start") == ["nothing"]


def test_hooks_of_one_line_of_code_are_several() -> None:
    app = App("shop")

    def make() -> Callable[[], None]:
        def hook() -> None: ...

        return hook

    for _ in range(3):
        app.on_worker_start(make())

    assert len(app.hooks.start) == 3
