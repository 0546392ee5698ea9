"""App: what may be declared, and what is refused on the spot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

import msgspec
import pytest

from workflow_worker import App, Context, DefinitionError, Event

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheChecker


@dataclass
class Order:
    order_id: str


class Paid(TypedDict):
    cents: int


class Sent(msgspec.Struct):
    at: str


class Engine:
    pass


@pytest.fixture
def app() -> App:
    return App("shop")


def test_a_workflow_is_found_by_its_functions_name(app: App) -> None:
    @app.workflow(on="order.placed")
    def fulfil(ctx: Context) -> None: ...

    found = app.workflows["fulfil"]
    assert (found.name, found.on, found.version) == ("fulfil", ("order.placed",), "")
    assert found.result_ttl_ms is None
    assert found.fn is fulfil


def test_what_the_decorator_is_told_is_kept(app: App) -> None:
    @app.workflow(on=["a", "b.*", "a"], name="x-1", version="2", result_ttl=1.5)
    def fulfil(ctx: Context) -> None: ...

    found = app.workflows["x-1"]
    assert (found.on, found.version, found.result_ttl_ms) == (("a", "b.*"), "2", 1500)


def test_a_result_may_be_kept_for_a_timedelta(app: App) -> None:
    app.workflow(on="a", result_ttl=timedelta(minutes=1))(lambda_like)
    assert app.workflows["lambda_like"].result_ttl_ms == 60_000


def lambda_like(ctx: Context) -> None: ...


def test_two_workflows_may_share_an_event(app: App) -> None:
    @app.workflow(on="a")
    def one(ctx: Context) -> None: ...

    @app.workflow(on="a")
    def two(ctx: Context) -> None: ...

    assert set(app.workflows) == {"one", "two"}


def test_outside_a_workflow_an_action_is_its_function(app: App) -> None:
    @app.action(name="pay")
    def charge(cents: int) -> int:
        """Take money."""
        return cents * 2

    assert charge(4) == charge.fn(4) == 8
    assert (charge.name, charge.__name__, charge.__doc__) == (
        "pay",
        "charge",
        "Take money.",
    )
    assert app.actions["pay"] is charge


def test_an_action_is_the_plain_function_in_any_thread_while_no_workflow_runs(
    app: App,
) -> None:
    @app.action
    def charge(cents: int) -> int:
        return cents * 2

    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(charge(4)))
    thread.start()
    thread.join()
    assert got == [8]


class Holder:
    def method(self, ctx: Context) -> None: ...

    def __call__(self, ctx: Context) -> None: ...


def _functions() -> list[Any]:
    async def coroutine(ctx: Context) -> None: ...

    def generator(ctx: Context) -> Any:
        yield 1

    async def stream(ctx: Context) -> Any:
        yield 1

    anonymous = lambda ctx: None  # noqa: E731 - what is to be refused
    return [
        coroutine,
        generator,
        stream,
        anonymous,
        Holder.method,
        Holder().method,
        staticmethod(lambda_like),
        Holder(),
        Holder,
        len,
        5,
    ]


@pytest.mark.parametrize("fn", _functions(), ids=repr)
def test_only_plain_named_functions_can_be_declared(app: App, fn: Any) -> None:
    with pytest.raises(DefinitionError):
        app.workflow(on="a")(fn)
    with pytest.raises(DefinitionError):
        app.action()(fn)
    assert not app.workflows
    assert not app.actions


def test_a_refusal_names_function_file_and_line(app: App) -> None:
    async def fulfil(ctx: Context) -> None: ...

    line = fulfil.__code__.co_firstlineno
    with pytest.raises(
        DefinitionError, match=rf"fulfil \({__file__}:{line}\) is async"
    ):
        app.workflow(on="a")(fulfil)


def _signatures() -> list[Callable[..., None]]:
    def none() -> None: ...

    def three(ctx: Context, event: Event, more: int) -> None: ...

    def defaulted(ctx: Context, event: Event, more: int = 3) -> None: ...

    def keyword(ctx: Context, *, event: Event) -> None: ...

    def star(*args: Any) -> None: ...

    def double_star(ctx: Context, **kwargs: Any) -> None: ...

    return [none, three, defaulted, keyword, star, double_star]


@pytest.mark.parametrize("fn", _signatures(), ids=lambda fn: fn.__name__)
def test_a_workflow_takes_the_context_and_at_most_one_more(
    app: App, fn: Callable[..., None]
) -> None:
    with pytest.raises(DefinitionError, match="must take the context and at most"):
        app.workflow(on="a")(fn)


@pytest.mark.parametrize(
    "wrong",
    [
        {"on": ""},
        {"on": []},
        {"on": ["a", ""]},
        {"on": 5},
        {"on": ["a", 5]},
        {"on": None},
        {"on": "[é]"},
        {"name": ""},
        {"name": "a b"},
        {"name": "a/b"},
        {"name": "a:b"},
        {"name": 5},
        {"name": "x" * 129},
        {"version": 2},
        {"version": None},
        {"result_ttl": 0},
        {"result_ttl": -1},
        {"result_ttl": True},
        {"result_ttl": "1h"},
        {"result_ttl": float("nan")},
        {"result_ttl": float("inf")},
        {"result_ttl": timedelta(0)},
    ],
    ids=str,
)
def test_an_argument_that_cannot_work_is_refused(
    app: App, wrong: dict[str, Any]
) -> None:
    with pytest.raises(DefinitionError, match="lambda_like"):
        app.workflow(**{"on": "a", **wrong})(lambda_like)
    assert not app.workflows


def test_a_name_stands_for_one_thing_and_the_error_shows_both_places(app: App) -> None:
    @app.action
    def charge() -> None: ...

    def other() -> None: ...

    with pytest.raises(DefinitionError) as caught:
        app.action(name="charge")(other)
    for fn in (charge.fn, other):
        assert f"{__file__}:{fn.__code__.co_firstlineno}" in str(caught.value)


def test_a_workflow_and_an_action_may_share_a_name(app: App) -> None:
    app.workflow(on="a", name="x")(lambda_like)
    app.action(name="x")(lambda_like)
    assert app.workflows["x"].fn is app.actions["x"].fn


@pytest.mark.parametrize("name", ["", " ", None, 5])
def test_an_app_needs_a_name(name: Any) -> None:
    with pytest.raises(DefinitionError):
        App(name)


def test_what_an_included_app_declares_is_taken_over_before_and_after(app: App) -> None:
    part = App("part")
    part.action(name="early")(lambda_like)
    app.include(part)
    part.workflow(on="a", name="late")(lambda_like)
    assert set(app.actions) == {"early"}
    assert set(app.workflows) == {"late"}


def test_a_duplicate_in_an_included_app_is_refused_and_nothing_is_taken(
    app: App,
) -> None:
    part = App("part")
    app.action(name="x")(lambda_like)
    part.workflow(on="a", name="fine")(lambda_like)
    part.action(name="x")(test_an_app_needs_a_name)
    with pytest.raises(DefinitionError, match="which is taken by"):
        app.include(part)
    assert not app.workflows


def test_a_duplicate_declared_after_including_is_refused_where_it_is(app: App) -> None:
    part = App("part")
    app.include(part)
    app.action(name="x")(lambda_like)
    with pytest.raises(DefinitionError, match="which is taken by"):
        part.action(name="x")(test_an_app_needs_a_name)
    assert not part.actions


def test_an_app_may_arrive_by_two_ways(app: App) -> None:
    shared, one, two = App("shared"), App("one"), App("two")
    shared.action(name="x")(lambda_like)
    one.include(shared)
    two.include(shared)
    app.include(one)
    app.include(two)
    shared.action(name="y")(lambda_like)
    assert set(app.actions) == {"x", "y"}


def test_apps_cannot_include_each_other(app: App) -> None:
    part, deeper = App("part"), App("deeper")
    part.include(deeper)
    app.include(part)
    for other in (app, part, deeper):
        with pytest.raises(DefinitionError, match="can't include each other"):
            deeper.include(other)


def _second_parameters() -> list[tuple[Callable[..., None], Any]]:
    def absent(ctx: Context) -> None: ...

    def bare(ctx, event) -> None: ...  # type: ignore[no-untyped-def]

    def event(ctx: Context, event: Event) -> None: ...

    def anything(ctx: Context, event: Any) -> None: ...

    def dataclass(ctx: Context, order: Order) -> None: ...

    def typed_dict(ctx: Context, paid: Paid) -> None: ...

    def struct(ctx: Context, sent: Sent) -> None: ...

    return [
        (absent, None),
        (bare, None),
        (event, None),
        (anything, None),
        (dataclass, Order),
        (typed_dict, Paid),
        (struct, Sent),
    ]


@pytest.mark.parametrize(
    ("fn", "accepts"), _second_parameters(), ids=lambda it: getattr(it, "__name__", "")
)
def test_the_second_parameter_says_what_a_workflow_gets(
    app: App, fn: Callable[..., None], accepts: Any
) -> None:
    app.workflow(on="a")(fn)
    app.check()
    assert app.workflows[fn.__name__].accepts is accepts


def _bad_second_parameters() -> list[Callable[..., None]]:
    def number(ctx: Context, order: int) -> None: ...

    def mapping(ctx: Context, order: dict[str, Any]) -> None: ...

    def swapped(event: Event, ctx: Context) -> None: ...

    def missing(ctx: Context, order: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821

    def checker_only(ctx: Context, order: OnlyForTheChecker) -> None: ...

    return [number, mapping, swapped, missing, checker_only]


@pytest.mark.parametrize("fn", _bad_second_parameters(), ids=lambda fn: fn.__name__)
def test_a_second_parameter_that_cannot_be_filled_is_refused_when_the_app_is_built(
    app: App, fn: Callable[..., None]
) -> None:
    app.workflow(on="a")(fn)
    line = fn.__code__.co_firstlineno
    with pytest.raises(DefinitionError, match=f"{__file__}:{line}"):
        app.check()


def test_a_return_annotation_that_cannot_be_journaled_is_refused(app: App) -> None:
    @app.action
    def build() -> Engine:
        return Engine()

    with pytest.raises(DefinitionError, match=r"build .*Engine has no JSON form"):
        app.check()


def test_a_return_annotation_that_says_nothing_is_accepted(app: App) -> None:
    @app.action
    def explode() -> NoReturn:
        raise ValueError

    app.check()
    assert explode.returns is Any
