"""Children: started by the commit, awaited like a signal, decoded like a result."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.memory import LIMIT, Memory, Shop, completed, entries_of, run
from workflow_worker import App, Context, ErrorCategory, Event, ExecutionFailed
from workflow_worker.errors import OutsideWorkflowError
from workflow_worker.model import Child, Item, Outcome, Wait


@dataclass
class Parcel:
    label: str


def pack(ctx: Context, event: Event) -> Parcel:
    return Parcel("x")


def loose(ctx: Context) -> None: ...


def unlisted(ctx: Context) -> None: ...


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.app.workflow(on="pack")(pack)
    shop.app.workflow(on="loose")(loose)
    return shop


def ended(mark: str, status: str, **fields: str) -> Item:
    flat = {"status": status, **fields}
    return Item(1, f"/{mark}", tuple(t.encode() for kv in flat.items() for t in kv))


def _packs(ctx: Context) -> object:
    handle = ctx.start(pack, {"n": 1}, key="k")
    parcel = handle.result()
    return [type(parcel).__name__, parcel.label, handle.execution_id]


def test_a_child_starts_with_the_commit_that_waits_for_it(shop: Shop) -> None:
    decision = run(shop.flow(_packs))
    assert decision.outcome is Outcome.SUSPENDED
    assert decision.children == (Child("0-e-1.flow/1", "pack", b'{"n":1}', "k", "1"),)
    assert decision.wait == Wait(2, ("/1",))
    assert [(e.kind, e.name) for e in entries_of(Memory(), decision)] == [
        ("start", "pack")
    ]


def test_a_childs_result_is_decoded_as_its_workflow_says(shop: Shop) -> None:
    app = shop.flow(_packs)
    first = run(app)
    item = ended("1", "completed", result='{"label":"a"}')
    second = run(app, journal=first.entries, inbox=(item,))
    assert completed(second) == b'["Parcel","a","0-e-1.flow/1"]'
    assert second.children == ()
    assert second.consumed == ("/1",)
    replayed = run(app, journal=first.entries + second.entries)
    assert completed(replayed) == second.result


def test_after_continuing_as_new_a_child_has_another_id(shop: Shop) -> None:
    decision = run(shop.flow(_packs), run=2)
    assert decision.children[0].execution_id == "0-e-1.flow/2.1"
    assert decision.wait == Wait(2, ("/2.1",))


def test_a_child_by_name_may_be_of_another_app(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        return ctx.start("elsewhere").result()

    app = shop.flow(fn)
    first = run(app)
    assert first.children == (Child("0-e-1.flow/1", "elsewhere", b"{}", "", "1"),)
    item = ended("1", "completed", result='[1,{"a":null}]')
    again = run(app, journal=first.entries, inbox=(item,))
    assert completed(again) == b'[1,{"a":null}]'


def test_a_child_without_a_result_gives_none(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        result: object = ctx.start(loose).result()
        return [result]

    app = shop.flow(fn)
    again = run(app, journal=run(app).entries, inbox=(ended("1", "completed"),))
    assert completed(again) == b"[null]"


FAILED = ended(
    "1", "failed", error_type="shop.Busy", message="later", category="recoverable"
)


@pytest.mark.parametrize(
    ("item", "said", "category"),
    [
        (FAILED, "0-e-1.flow/1 failed: shop.Busy: later", "recoverable"),
        (ended("1", "cancelled"), "0-e-1.flow/1 cancelled", "permanent"),
        (ended("1", "failed", category="odd"), "0-e-1.flow/1 failed", "permanent"),
    ],
)
def test_a_child_that_failed_raises_the_same_first_and_on_replay(
    shop: Shop, item: Item, said: str, category: str
) -> None:
    got: list[object] = []

    def fn(ctx: Context) -> None:
        try:
            ctx.start(pack).result()
        except ExecutionFailed as error:
            got.append((str(error), error.status, error.error_type, error.category))

    app = shop.flow(fn)
    first = run(app)
    second = run(app, journal=first.entries, inbox=(item,))
    completed(run(app, journal=first.entries + second.entries))
    assert got[0] == got[1]
    found: Any = got[0]
    assert found[0] == f"execution {said}"
    assert found[3] == category


def test_an_uncaught_failure_of_a_child_fails_the_parent_in_its_category(
    shop: Shop,
) -> None:
    app = shop.flow(_packs)
    decision = run(app, journal=run(app).entries, inbox=(FAILED,))
    assert decision.failure is not None
    assert decision.failure.category == ErrorCategory.RECOVERABLE
    assert decision.failure.error_type == "workflow_worker.errors.ExecutionFailed"
    assert decision.failure.closing == 2


def test_a_child_that_takes_too_long_is_a_timeout_and_goes_on(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        handle = ctx.start(pack)
        try:
            handle.result(timeout=dt.timedelta(seconds=5))
        except TimeoutError:
            ctx.set_state("late")
        return handle.result().label

    app = shop.flow(fn)
    first = run(app)
    assert first.wait == Wait(2, ("/1",), delay_ms=5000)
    second = run(app, journal=first.entries, fired=2)
    assert (second.wait, second.state) == (Wait(3, ("/1",)), "late")
    item = ended("1", "completed", result='{"label":"a"}')
    third = run(app, journal=first.entries + second.entries, inbox=(item,))
    assert completed(third) == b'"a"'


def test_a_result_may_be_asked_for_again(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        handle = ctx.start("elsewhere")
        return [handle.result(), handle.result()]

    app = shop.flow(fn)
    item = ended("1", "completed", result="1")
    again = run(app, journal=run(app).entries, inbox=(item,))
    assert completed(again) == b"[1,1]"
    assert len(again.entries) == 1


def test_a_failed_run_starts_nothing(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.start(pack)
        raise ValueError

    decision = run(shop.flow(fn))
    assert (decision.children, decision.entries) == ((), ())


def test_a_run_that_only_starts_children_leaves_no_journal(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.start(pack)

    decision = run(shop.flow(fn))
    assert completed(decision) is None
    assert (len(decision.children), decision.entries) == (1, ())


@pytest.mark.parametrize(
    "wrong",
    [unlisted, "a b", "", 5, None, []],
    ids=lambda wrong: getattr(wrong, "__name__", repr(wrong)),
)
def test_only_a_workflow_can_be_started(shop: Shop, wrong: Any) -> None:
    def fn(ctx: Context) -> None:
        ctx.start(wrong)

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert failure.error_type.endswith("DefinitionError")


def test_a_function_of_two_workflows_has_to_be_named(shop: Shop) -> None:
    app = App("more")
    app.workflow(on="pack", name="again")(pack)
    shop.app.include(app)

    def fn(ctx: Context) -> None:
        ctx.start(pack)

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert "is again and pack; start a workflow by" in failure.message


@pytest.mark.parametrize(
    ("payload", "key"),
    [([1], None), ({"x": "y" * LIMIT}, None), (object(), None), ({}, 5)],
)
def test_what_cannot_be_sent_to_a_child_is_refused_at_the_call(
    shop: Shop, payload: object, key: Any
) -> None:
    def fn(ctx: Context) -> None:
        ctx.start(pack, payload, key)

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert "for workflow pack" in failure.message


def test_a_handle_belongs_to_its_workflow(shop: Shop) -> None:
    refused: list[bool] = []
    kept: list[Any] = []

    def try_it(use: Callable[[], object]) -> None:
        try:
            use()
        except OutsideWorkflowError:
            refused.append(True)

    def fn(ctx: Context) -> None:
        handle = ctx.start(pack)
        kept.append(handle)
        thread = threading.Thread(target=try_it, args=(handle.result,))
        thread.start()
        thread.join()

    run(shop.flow(fn))
    try_it(kept[0].result)
    assert refused == [True, True]


def test_what_a_child_sent_and_nobody_can_read_is_refused(shop: Shop) -> None:
    broken = ended("1", "completed", result="{")
    app = shop.flow(_packs)
    decision = run(app, journal=run(app).entries, inbox=(broken,))
    assert decision.outcome is Outcome.SUSPENDED
    assert decision.consumed == ("/1",)
