"""App: signals, versions of a workflow, and what a workflow returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from workflow_worker import App, Context, DefinitionError


@dataclass
class Order:
    order_id: str


class Engine:
    pass


@pytest.fixture
def app() -> App:
    return App("shop")


def flow(ctx: Context) -> None: ...


def newer(ctx: Context) -> None: ...


def newest(ctx: Context) -> None: ...


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((), ()),
        ("order.approved", ("order.approved",)),
        (["b", "a", "b"], ("b", "a")),
        (iter(["é-1/x"]), ("é-1/x",)),
    ],
)
def test_the_signals_of_a_workflow_are_kept_each_once(
    app: App, given: Any, kept: tuple[str, ...]
) -> None:
    app.workflow(on="a", signals=given)(flow)
    assert app.workflows["flow"].signals == kept


@pytest.mark.parametrize(
    "wrong",
    [5, None, "", [""], ["a", 5], "a*", "a?", "a[b]", "/1", "a\0b", "\ud800"],
    ids=repr,
)
def test_only_a_plain_event_name_can_be_a_signal(app: App, wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r"flow .*signals="):
        app.workflow(on="a", signals=wrong)(flow)
    assert not app.workflows


def test_of_several_versions_the_one_declared_last_is_current(app: App) -> None:
    app.workflow(on="a", name="x", version="2")(flow)
    app.workflow(on="b", name="x", version="1")(newer)
    assert app.workflows["x"].fn is newer
    assert [*app.versions("x")] == ["2", "1"]
    assert app.versions("x")["2"].fn is flow
    assert app.versions("y") == {}


def test_a_version_stands_for_one_function(app: App) -> None:
    app.workflow(on="a", name="x", version="1")(flow)
    with pytest.raises(DefinitionError, match="x and the version 1, which is taken by"):
        app.workflow(on="a", name="x", version="1")(newer)


def test_without_a_version_a_name_stands_for_one_function(app: App) -> None:
    app.workflow(on="a", name="x")(flow)
    with pytest.raises(DefinitionError, match="the name x, which is taken by"):
        app.workflow(on="a", name="x")(newer)


@pytest.mark.parametrize("included_first", [True, False])
def test_the_version_declared_last_is_current_whichever_app_it_came_with(
    app: App, included_first: bool
) -> None:
    part = App("part")
    if included_first:
        app.include(part)
    part.workflow(on="a", name="x", version="1")(flow)
    app.workflow(on="a", name="x", version="2")(newer)
    if not included_first:
        app.include(part)
    assert app.workflows["x"].version == "2"
    part.workflow(on="a", name="x", version="3")(newest)
    assert app.workflows["x"].version == "3"
    assert [*app.versions("x")] == ["1", "2", "3"]
    assert [*part.versions("x")] == ["1", "3"]


def test_an_included_app_cannot_bring_a_version_that_is_there(app: App) -> None:
    part = App("part")
    app.workflow(on="a", name="x", version="1")(flow)
    part.workflow(on="a", name="x", version="1")(newer)
    with pytest.raises(DefinitionError, match="which is taken by"):
        app.include(part)


def _typed(ctx: Context) -> Order:
    return Order("o-1")


def _bare(ctx: Context):  # type: ignore[no-untyped-def]
    return 5


def _object(ctx: Context) -> object:
    return 5


def test_what_a_workflow_returns_is_what_a_parent_gets(app: App) -> None:
    for fn in (flow, _typed, _bare, _object):
        app.workflow(on="a")(fn)
    app.check()
    found = {name: workflow.returns for name, workflow in app.workflows.items()}
    assert found == {"flow": Any, "_typed": Order, "_bare": Any, "_object": Any}


def test_a_result_that_no_parent_could_get_is_refused_in_every_version(
    app: App,
) -> None:
    def build(ctx: Context) -> Engine:
        return Engine()

    app.workflow(on="a", name="x", version="1")(build)
    app.workflow(on="a", name="x", version="2")(flow)
    with pytest.raises(DefinitionError, match=r"build .*Engine has no JSON form"):
        app.check()
