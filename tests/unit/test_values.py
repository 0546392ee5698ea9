"""Time, chance and data: recorded or made again, but never different on replay."""

from __future__ import annotations

import datetime as dt
import math
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.memory import (
    LIMIT,
    Memory,
    Shop,
    completed,
    crashed,
    entries_of,
    rerun,
    run,
)
from workflow_worker import ActionFailed, Context
from workflow_worker.errors import OutsideWorkflowError
from workflow_worker.model import Outcome


@dataclass
class Receipt:
    number: int


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize(
    ("use", "kind", "type_"),
    [
        (lambda ctx: ctx.now(), "now", dt.datetime),
        (lambda ctx: ctx.random(), "random", float),
        (lambda ctx: ctx.uuid(), "uuid", uuid.UUID),
    ],
)
def test_time_and_chance_are_recorded(
    shop: Shop, use: Callable[[Context], object], kind: str, type_: type
) -> None:
    def fn(ctx: Context) -> None:
        got.append([use(ctx), use(ctx)])

    got: list[list[object]] = []
    effects = Memory()
    app = shop.flow(fn)
    first = run(app, effects=effects)
    completed(run(app, journal=first.entries))
    assert got[0] == got[1]
    assert got[0][0] != got[0][1]
    assert type(got[0][0]) is type_
    assert [e.kind for e in entries_of(effects, first)] == [kind, kind]


def test_the_time_is_aware_and_exact_to_the_ms(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        return ctx.now()

    assert completed(run(shop.flow(fn))) == b'"2023-11-14T22:13:20.001000Z"'


def test_data_goes_with_every_decision(shop: Shop) -> None:
    def fn(ctx: Context, event: Any) -> None:
        ctx.data["a"] = 1
        ctx.data["b"] = {"c": [1]}
        ctx.data["a"] = 2
        if event.payload:
            ctx.sleep(60)
        raise ValueError

    suspended = run(shop.flow(fn))
    failed = run(shop.flow(fn), fired=1)
    assert suspended.outcome is Outcome.SUSPENDED
    assert failed.outcome is Outcome.FAILED
    assert suspended.data == failed.data == b'{"a":2,"b":{"c":[1]}}'


def test_data_is_like_a_dict(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        data = ctx.data
        data.update(a=1, b=2)
        del data["a"]
        assert data == {"b": 2}
        assert repr(data) == "<data {'b': 2}>"
        return [list(data), len(data), "a" in data, data.get("a", 5), data.pop("b")]

    decision = run(shop.flow(fn))
    assert completed(decision) == b'[["b"],1,false,5,2]'
    assert decision.data == b"{}"


def test_data_never_written_is_not_committed(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        with pytest.raises(KeyError):
            del ctx.data["a"]
        return ctx.data.get("a")

    assert run(shop.flow(fn)).data is None


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (Receipt(7), {"number": 7}),
        ((1, {2: "x"}), [1, {"2": "x"}]),
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "2026-01-02T00:00:00Z"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (Decimal("1.10"), "1.10"),
        (b"\x00", "AA=="),
        (None, None),
    ],
)
def test_a_value_is_plain_json_from_the_first(
    shop: Shop, value: object, seen: object
) -> None:
    def fn(ctx: Context) -> None:
        ctx.data["it"] = value
        got.append(ctx.data["it"])

    got: list[object] = []
    effects = Memory()
    app = shop.flow(fn)
    rerun(app, run(app, effects=effects), effects)
    assert got == [seen, seen]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a", object()),
        ("a", math.nan),
        ("a", "x" * LIMIT),
        (5, 1),
        ("\ud800", 1),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused_at_the_assignment(
    shop: Shop, key: Any, value: object
) -> None:
    def fn(ctx: Context) -> None:
        ctx.data[key] = value

    decision = run(shop.flow(fn))
    assert decision.failure is not None
    assert decision.failure.error_type.endswith("InvalidPayload")
    assert decision.data is None


@pytest.mark.parametrize("how", ["returns", "suspends", "fails"])
def test_what_is_put_into_a_value_and_has_no_json_form_fails_the_execution(
    shop: Shop, how: str
) -> None:
    def fn(ctx: Context) -> None:
        ctx.data["a"] = []
        ctx.data["a"].append(object())
        if how == "suspends":
            ctx.sleep(60)
        if how == "fails":
            raise ValueError

    decision = run(shop.flow(fn))
    assert decision.failure is not None
    assert decision.failure.error_type in {
        "workflow_worker.errors.InvalidPayload",
        "ValueError",
    }
    assert (decision.data, decision.wait) == (None, None)


def test_data_belongs_to_the_thread_of_its_run(shop: Shop) -> None:
    refused: list[bool] = []
    kept: list[Any] = []

    def try_it() -> None:
        try:
            kept[0]["a"] = 1
        except OutsideWorkflowError:
            refused.append(True)

    def fn(ctx: Context) -> None:
        kept.append(ctx.data)
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()

    decision = run(shop.flow(fn))
    try_it()
    assert refused == [True, True]
    assert decision.data is None


def test_data_cannot_be_used_inside_an_action(shop: Shop) -> None:
    kept: list[Any] = []

    @shop.app.action
    def write() -> None:
        kept[0]["a"] = 1

    def fn(ctx: Context) -> object:
        kept.append(ctx.data)
        try:
            write()
        except ActionFailed as error:
            return error.message
        return None

    assert completed(run(shop.flow(fn))) == msgspec.json.encode(
        "ctx.data can't be used inside an action"
    )


def test_a_delayed_event_brings_an_id_that_a_replay_would_give_it_again(
    shop: Shop,
) -> None:
    def fn(ctx: Context) -> None:
        ctx.emit("now", {})
        ctx.emit("later", {}, delay=dt.timedelta(seconds=2))
        ctx.emit("at once", {}, delay=0)

    now, later, at_once = run(shop.flow(fn)).emits
    assert (later.delay_ms, later.id) == (2000, "0-e-1.flow:2")
    for plain in (now, at_once):
        assert (plain.delay_ms, plain.id) == (0, "")
    assert run(shop.flow(fn), run=3).emits[1].id == "0-e-1.flow:3.2"


def test_a_workflow_that_only_emits_leaves_no_journal(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.emit("a", {})
        ctx.start("elsewhere")

    decision = run(shop.flow(fn))
    assert (decision.entries, decision.journaled) == ((), 0)


def test_after_a_crash_chance_that_was_seen_stays(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        value = ctx.random()
        shop.act(1)
        return value

    effects = Memory()
    app = shop.flow(fn)
    assert completed(run(app, effects=effects)) == completed(crashed(app, effects))
