"""Journal and replay: an action runs once, and its result is the same ever after."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.memory import LIMIT, Memory, Shop, rerun, run
from workflow_worker import (
    ActionFailed,
    Context,
    ErrorCategory,
    InvalidPayload,
    PermanentError,
)
from workflow_worker.model import Outcome
from workflow_worker.runtime import journal
from workflow_worker.runtime.journal import Entry


@dataclass
class Receipt:
    number: int


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_an_action_that_is_journaled_does_not_run_again(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        return [shop.act(1), shop.act(2), shop.act(3)]

    effects = Memory()
    app = shop.flow(fn)
    first = run(app, effects=effects)
    again = rerun(app, first, effects)
    assert shop.ran == [1, 2, 3]
    assert first.result == again.result == b"[1,2,3]"
    assert (again.entries, again.journaled) == ((), 3)


def test_a_replay_goes_on_where_the_journal_ends(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        return [shop.act(n) for n in range(4)]

    effects = Memory()
    app = shop.flow(fn)
    first = run(app, effects=effects)
    second = run(app, journal=effects.journal[:2])
    assert shop.ran == [0, 1, 2, 3, 2, 3]
    assert first.result == second.result
    assert second.journaled == 3


def test_no_action_starts_before_every_result_seen_is_durable(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        shop.act(1)
        ctx.emit("between", {})
        shop.act(2)
        shop.other(3)
        raise ValueError

    effects = Memory()
    decision = run(shop.flow(fn), effects=effects)
    assert effects.seen == [
        "start act",
        "append 1",
        "start act",
        "append 1",
        "start other",
    ]
    assert (len(decision.entries), decision.journaled) == (1, 2)


def test_entries_number_what_the_function_asks_for(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        shop.act(1)
        ctx.emit("between", {})
        shop.other(2)

    effects = Memory()
    decision = run(shop.flow(fn), effects=effects)
    stored = [journal.decode(data) for data in effects.journal + decision.entries]
    assert [(e.ordinal, e.kind, e.name, bytes(e.result)) for e in stored] == [
        (1, "action", "act", b"1"),
        (3, "action", "other", b"2"),
        (2, "emit", "between", b"null"),
    ]
    assert stored[0].started_ms > 1_700_000_000_000
    assert stored[0].duration_ms > 0


def test_entries_are_found_by_number_and_not_by_place(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        return [shop.act(1), shop.act(2)]

    effects = Memory()
    app = shop.flow(fn)
    first = run(app, effects=effects)
    turned = tuple(reversed(effects.journal + first.entries))
    assert run(app, journal=turned).result == b"[1,2]"


def _receipt() -> Receipt:
    return Receipt(7)


def _when() -> dt.datetime:
    return dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def _id() -> uuid.UUID:
    return uuid.UUID(int=7)


def _price() -> Decimal:
    return Decimal("1.10")


def _pair() -> tuple[int, bytes]:
    return (1, b"\x00")


def _plain():  # type: ignore[no-untyped-def]
    return Receipt(7)


def _tuple_unannotated():  # type: ignore[no-untyped-def]
    return (1, {2: "x"})


@pytest.mark.parametrize("how", ["call", "submit"])
@pytest.mark.parametrize(
    ("fn", "seen"),
    [
        (_receipt, "Receipt(number=7)"),
        (_when, repr(_when())),
        (_id, repr(_id())),
        (_price, "Decimal('1.10')"),
        (_pair, r"(1, b'\x00')"),
        (_plain, "{'number': 7}"),
        (_tuple_unannotated, "[1, {'2': 'x'}]"),
    ],
)
def test_first_run_and_replay_see_the_same_type(
    shop: Shop, fn: Callable[[], object], seen: str, how: str
) -> None:
    action = shop.app.action(name="it")(fn)
    got: list[str] = []

    def flow(ctx: Context) -> None:
        result = action() if how == "call" else action.submit().result()
        got.append(repr(result))

    effects = Memory()
    app = shop.flow(flow)
    rerun(app, run(app, effects=effects), effects)
    assert got == [seen, seen]


def test_a_caught_failure_is_the_same_on_replay(shop: Shop) -> None:
    got: list[tuple[object, ...]] = []

    def fn(ctx: Context) -> None:
        try:
            shop.act(PermanentError("busy"))
        except ActionFailed as error:
            got.append((str(error), error.error_type, error.message, error.category))
            got.append((error.attempts, error.matches(PermanentError)))
            got.append((error.matches(Exception), error.matches(OSError)))

    effects = Memory()
    app = shop.flow(fn)
    first = run(app, effects=effects)
    again = rerun(app, first, effects)
    assert first.outcome is again.outcome is Outcome.COMPLETED
    assert got[:3] == got[3:]
    assert got[0][2:] == ("busy", ErrorCategory.PERMANENT)
    assert got[1:3] == [(1, True), (True, False)]
    assert len(shop.ran) == 1


def test_an_uncaught_failure_reads_the_same_on_replay(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        shop.act(ValueError("no stock"))

    effects = Memory()
    app = shop.flow(fn)
    first = run(app, effects=effects)
    again = rerun(app, first, effects)
    assert first.outcome is Outcome.FAILED
    assert first.failure == again.failure
    assert first.failure is not None
    assert first.failure.error_type == "ValueError"
    assert first.failure.message == "no stock"
    assert "raise value" in first.failure.traceback
    assert "shop.act(ValueError(" in first.failure.traceback
    assert "/runtime/" not in first.failure.traceback


def test_a_failed_execution_keeps_its_journal(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        shop.act(1)
        shop.act(ValueError("no stock"))

    decision = run(shop.flow(fn))
    assert decision.journaled == 1
    entry = journal.decode(decision.entries[0])
    assert entry.error is not None
    assert entry.error.type == "ValueError"
    assert entry.error.bases[-2:] == ("Exception", "BaseException")
    assert "raise value" in entry.error.traceback


def test_the_original_exception_is_the_cause_on_the_first_run(shop: Shop) -> None:
    original = ValueError("no stock")

    def fn(ctx: Context) -> bool:
        try:
            shop.act(original)
        except ActionFailed as error:
            return error.__cause__ is original
        return False

    assert run(shop.flow(fn)).result == b"true"


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_an_action_that_wants_to_end_the_process_only_fails(
    shop: Shop, raised: type[BaseException]
) -> None:
    def fn(ctx: Context) -> None:
        shop.act(raised())

    decision = run(shop.flow(fn))
    assert decision.failure is not None
    assert decision.failure.error_type == raised.__name__


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (object(), "result of action act (object) can't be encoded"),
        (float("nan"), "result of action act (float) holds NaN"),
        ("x" * LIMIT, f"result of action act is {LIMIT + 2} bytes long"),
    ],
    ids=["object", "nan", "huge"],
)
def test_a_result_that_cannot_be_journaled_is_permanent_and_names_the_action(
    shop: Shop, value: object, sentence: str
) -> None:
    def fn(ctx: Context) -> None:
        shop.act(value)

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert failure.category == "permanent"
    assert failure.error_type == "workflow_worker.errors.InvalidPayload"
    assert failure.message.startswith(sentence)


def test_a_result_of_another_type_than_annotated_is_named(shop: Shop) -> None:
    @shop.app.action
    def number() -> int:
        return "five"  # type: ignore[return-value]

    def fn(ctx: Context) -> None:
        with pytest.raises(InvalidPayload, match="result of action number: expected"):
            number()

    effects = Memory()
    app = shop.flow(fn)
    first = run(app, effects=effects)
    assert first.outcome is rerun(app, first, effects).outcome is Outcome.COMPLETED


def test_an_action_inside_an_action_is_the_plain_function(shop: Shop) -> None:
    @shop.app.action
    def outer() -> Any:
        return [shop.act(1), shop.act(2)]

    def fn(ctx: Context) -> object:
        return outer()

    decision = run(shop.flow(fn))
    assert decision.result == b"[1,2]"
    assert [journal.decode(data).name for data in decision.entries] == ["outer"]


def test_the_plain_function_is_not_journaled(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        return shop.act.fn(1)

    assert run(shop.flow(fn)).entries == ()


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"\xff",
        journal.encode(Entry(1, "action", "act", format=journal.FORMAT + 1)),
    ],
)
def test_a_journal_that_cannot_be_read_fails_the_execution_and_stays(
    shop: Shop, data: bytes
) -> None:
    def fn(ctx: Context) -> None:
        shop.act(1)

    decision = run(shop.flow(fn), journal=(data,))
    assert decision.failure is not None
    assert decision.failure.error_type.endswith("InvalidPayload")
    assert decision.journaled == 1
    assert shop.ran == []


def test_the_format_of_an_entry_stays_what_it_is() -> None:
    stored = b'{"ordinal":2,"kind":"action","name":"act","result":[1],"started_ms":5}'
    entry = journal.decode(stored)
    assert (entry.ordinal, entry.attempt, entry.format) == (2, 1, 1)
    assert journal.encode(entry) == stored


def test_a_failure_met_twice_counts_from_the_first_time(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        future = shop.act.submit(ValueError("no stock"))
        with contextlib.suppress(ActionFailed):
            future.result()
        shop.other("clean up")
        future.result()

    failure = run(shop.flow(fn)).failure
    assert failure is not None
    assert (failure.closing, failure.seen) == (1, 1)
