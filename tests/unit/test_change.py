"""Code that changes while executions are open: versions, patches, fresh beginnings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.unit.memory import (
    EVENT,
    LIMIT,
    Memory,
    Shop,
    completed,
    crashed,
    entries_of,
    rerun,
    run,
    signal,
)
from workflow_worker import App, Context, Event
from workflow_worker.model import Outcome
from workflow_worker.runtime.execute import Runner


@pytest.fixture
def shop() -> Shop:
    return Shop()


def _versions() -> App:
    app = App("shop")

    @app.workflow(on="a", name="flow", version="1", signals="yes")
    def old(ctx: Context) -> str:
        return "old"

    @app.workflow(on="b", name="flow", version="2")
    def new(ctx: Context) -> str:
        return "new"

    return app


@pytest.mark.parametrize(
    ("began", "result", "version", "signals"),
    [
        (None, b'"new"', "2", False),
        ("2", b'"new"', "2", False),
        ("1", b'"old"', "1", True),
    ],
)
def test_an_execution_ends_with_the_version_it_began_with(
    began: str | None, result: bytes, version: str, signals: bool
) -> None:
    decision = run(_versions(), version=began)
    assert completed(decision) == result
    assert (decision.version, decision.signals) == (version, signals)


def test_the_runner_knows_each_version() -> None:
    runner = Runner(_versions(), max_payload_bytes=LIMIT)
    assert runner.version_of("flow") == "2"
    for version, known in [("1", True), ("2", True), ("3", False), ("", False)]:
        assert runner.knows("flow", version) is known
    assert runner.knows("flow")
    assert not runner.knows("other", "1")


def _without_patch(shop: Shop) -> Callable[[Context], object]:
    def fn(ctx: Context) -> object:
        shop.act(1)
        shop.act(2)
        return "end"

    return fn


def _with_patch(shop: Shop) -> Callable[[Context], object]:
    def fn(ctx: Context) -> object:
        shop.act(1)
        if ctx.patched("check"):
            shop.other("checked")
        shop.act(2)
        return ctx.patched("check")

    return fn


def test_a_new_execution_takes_the_patch_and_records_it(shop: Shop) -> None:
    effects = Memory()
    app = shop.flow(_with_patch(shop))
    first = run(app, effects=effects)
    assert completed(first) == b"true"
    found = entries_of(effects, first)
    assert [(e.ordinal, e.kind, e.name) for e in found] == [
        (1, "action", "act"),
        (1, "patch", "check"),
        (2, "action", "other"),
        (3, "action", "act"),
    ]
    again = rerun(app, first, effects)
    assert (completed(again), again.entries) == (b"true", ())


def test_an_execution_that_has_passed_the_patch_goes_on_as_before(shop: Shop) -> None:
    effects = Memory()
    first = run(shop.flow(_without_patch(shop)), effects=effects)
    shop.ran.clear()
    again = rerun(shop.flow(_with_patch(shop)), first, effects)
    assert completed(again) == b"true"
    assert shop.ran == []


def test_an_execution_that_has_not_come_to_the_patch_takes_it(shop: Shop) -> None:
    effects = Memory()
    run(shop.flow(_without_patch(shop)), effects=effects)
    assert len(effects.journal) == 1
    shop.ran.clear()
    assert completed(crashed(shop.flow(_with_patch(shop)), effects)) == b"true"
    assert shop.ran == ["checked", 2]


def test_in_a_loop_a_patch_holds_from_where_it_was_taken(shop: Shop) -> None:
    got: list[list[bool]] = []

    def old(ctx: Context) -> None:
        for n in range(2):
            shop.act(n)
        ctx.sleep(60)

    def new(ctx: Context) -> None:
        got.append([])
        for n in range(4):
            got[-1].append(ctx.patched("p"))
            shop.act(n)

    effects = Memory()
    first = run(shop.flow(old), effects=effects)
    stored = effects.journal + first.entries
    later = Memory(stored)
    second = run(shop.flow(new), journal=stored, effects=later)
    completed(second)
    completed(run(shop.flow(new), journal=later.journal + second.entries))
    assert got == [[False, False, True, True]] * 2


def test_a_patch_is_seen_the_same_after_a_crash(shop: Shop) -> None:
    effects = Memory()
    app = shop.flow(_with_patch(shop))
    run(app, effects=effects)
    for length in range(len(effects.journal) + 1):
        assert completed(run(app, journal=effects.journal[:length])) == b"true"


@pytest.mark.parametrize("wrong", ["", 5, None, "\ud800"])
def test_a_patch_needs_an_id(shop: Shop, wrong: Any) -> None:
    def fn(ctx: Context) -> None:
        ctx.patched(wrong)

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert failure.error_type.endswith("InvalidPayload")


def _counts(shop: Shop) -> Callable[..., object]:
    def fn(ctx: Context, event: Event) -> object:
        n = event.payload.get("n", 0)
        before = dict(ctx.data)
        ctx.data[f"at {n}"] = n
        ctx.compensate(shop.other, value=n)
        shop.act(n)
        if n < 2:
            ctx.set_state(f"did {n}")
            ctx.emit("did", {"n": n})
            ctx.continue_as_new({"n": n + 1})
        return before

    return fn


def test_a_continued_execution_begins_anew_with_what_it_brings(shop: Shop) -> None:
    app = shop.flow(_counts(shop))
    first = run(app)
    assert first.outcome is Outcome.CONTINUED
    assert first.payload == b'{"n":1}'
    assert (first.state, len(first.emits), first.undo) == ("did 0", 1, True)
    assert msgspec.json.decode(first.base) == {
        "data": {"at 0": 0},
        "undo": [["other", [], {"value": 0}]],
    }
    event = Event("order.placed", {"n": 2}, "o-1", "e-1")
    last = run(app, event=event, base=first.base, run=1)
    assert completed(last) == b'{"at 0":0}'
    assert last.data == b'{"at 0":0,"at 2":2}'


def test_what_was_registered_before_is_undone_after(shop: Shop) -> None:
    base = run(shop.flow(_counts(shop))).base
    shop.ran.clear()

    def fn(ctx: Context) -> None:
        ctx.compensate(shop.other, "last")
        raise ValueError

    failure = run(shop.flow(fn), base=base, run=1).failure
    assert failure is not None
    assert failure.undone
    assert shop.ran == ["last", 0]


def test_an_undo_whose_action_is_gone_is_recorded_as_failed(shop: Shop) -> None:
    base = run(shop.flow(_counts(shop))).base

    def fn(ctx: Context) -> None:
        raise ValueError

    app = App("shrunk")
    app.workflow(on="a", name="flow")(fn)
    decision = run(app, base=base, run=1)
    assert decision.failure is not None
    assert "no action other any more" in decision.failure.traceback


def test_data_that_was_brought_is_committed_even_if_never_written(shop: Shop) -> None:
    base = run(shop.flow(_counts(shop))).base

    def fn(ctx: Context) -> None: ...

    assert run(shop.flow(fn), base=base, run=1).data == b'{"at 0":0}'


def test_nothing_is_brought_where_there_is_nothing(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.continue_as_new()

    decision = run(shop.flow(fn))
    assert (decision.payload, decision.base, decision.data) == (b"{}", b"", None)


def test_continuing_cannot_be_swallowed(shop: Shop) -> None:
    def fn(ctx: Context) -> str:
        try:
            ctx.continue_as_new()
        except BaseException:  # noqa: BLE001 - what users write
            return "fine"

    assert run(shop.flow(fn)).outcome is Outcome.CONTINUED


@pytest.mark.parametrize("payload", [[1], object(), {"x": "y" * LIMIT}])
def test_only_a_payload_can_be_continued_with(shop: Shop, payload: object) -> None:
    def fn(ctx: Context) -> None:
        ctx.continue_as_new(payload)

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert "payload to continue flow with" in failure.message


def test_a_base_that_cannot_be_read_fails_the_execution(shop: Shop) -> None:
    failure = run(shop.flow(_without_patch(shop)), base=b"{", run=1).failure
    assert failure is not None
    assert failure.error_type.endswith("InvalidPayload")
    assert shop.ran == []


def test_a_signal_not_consumed_is_left_for_the_next_run(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.wait_for("yes")
        ctx.continue_as_new(EVENT.payload)

    app = shop.flow(fn, signals="yes")
    decision = run(app, inbox=(signal(1, "yes"), signal(2, "yes")))
    assert decision.outcome is Outcome.CONTINUED
    assert decision.consumed == ("yes",)
