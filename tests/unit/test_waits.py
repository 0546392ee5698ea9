"""Waits: suspended without a thread, resolved once, and the same on replay."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.unit.memory import LIMIT, Memory, Shop, completed, entries_of, run, signal
from workflow_worker import ActionFailed, Context, DefinitionError
from workflow_worker.model import Decision, Emission, Item, Outcome, Wait

SIGNALS = {"signals": ["yes", "no"]}


@pytest.fixture
def shop() -> Shop:
    return Shop()


def _asks(ctx: Context) -> object:
    event = ctx.wait_for("yes", "no", timeout=60)
    return event and [event.name, event.payload, event.key, event.id]


def test_a_wait_without_a_match_suspends_and_says_for_what(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        shop.act(1)
        ctx.wait_for("yes", "no", timeout=dt.timedelta(hours=1))

    decision = run(shop.flow(fn, **SIGNALS), inbox=(signal(1, "else"),))
    assert decision.outcome is Outcome.SUSPENDED
    assert decision.wait == Wait(2, ("yes", "no"), delay_ms=3_600_000)
    assert (decision.signals, decision.consumed) == (True, ())
    assert len(decision.entries) == 1


def test_a_wait_without_a_timeout_waits_for_ever(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.wait_for("yes")

    assert run(shop.flow(fn, **SIGNALS)).wait == Wait(1, ("yes",), None)


def test_a_signal_that_is_there_is_returned_and_consumed(shop: Shop) -> None:
    item = signal(3, "yes", payload='{"by":"me"}', key="o-1", id="s-1")
    decision = run(shop.flow(_asks, **SIGNALS), inbox=(item,))
    assert completed(decision) == b'["yes",{"by":"me"},"o-1","s-1"]'
    assert decision.consumed == ("yes",)


def test_a_replay_returns_the_event_that_was_recorded(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        got.append(ctx.wait_for("yes"))

    got: list[object] = []
    item = signal(3, "yes", payload='{"n":1}', colour="red", published_at="1000")
    app = shop.flow(fn, **SIGNALS)
    first = run(app, inbox=(item,))
    completed(run(app, journal=first.entries))
    assert got[0] == got[1]
    assert got[0].headers == {"colour": "red"}  # type: ignore[attr-defined]


def test_the_signal_that_came_first_wins_whatever_its_name(shop: Shop) -> None:
    inbox = (signal(2, "else"), signal(7, "yes"), signal(5, "no"))
    result = completed(run(shop.flow(_asks, **SIGNALS), inbox=inbox))
    assert result is not None
    assert result.startswith(b'["no"')


def test_each_wait_takes_the_next_one(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        return [event.payload["n"] for event in iter(lambda: ctx.wait_for("yes"), 0)]

    items = tuple(signal(n, "yes", payload=f'{{"n":{n}}}') for n in (1, 2))
    decision = run(shop.flow(fn, **SIGNALS), inbox=items)
    assert decision.outcome is Outcome.SUSPENDED
    assert decision.wait == Wait(3, ("yes",))
    assert decision.consumed == ("yes", "yes")


def test_where_the_rest_is_not_here_the_second_wait_suspends(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.wait_for("yes")
        ctx.wait_for("no")

    app = shop.flow(fn, **SIGNALS)
    decision = run(app, inbox=(signal(1, "yes"),), whole=False)
    assert decision.wait == Wait(2, ("no",))
    assert decision.consumed == ("yes",)


def test_a_time_that_is_over_goes_before_what_came_later(shop: Shop) -> None:
    app = shop.flow(_asks, **SIGNALS)
    decision = run(app, inbox=(signal(1, "yes"),), fired=1)
    assert completed(decision) is None
    assert decision.consumed == ()
    assert (
        completed(run(app, journal=decision.entries, inbox=(signal(1, "yes"),))) is None
    )


def test_a_time_that_is_over_resolves_its_own_wait_alone(shop: Shop) -> None:
    def fn(ctx: Context) -> object:
        return [ctx.wait_for("yes", timeout=1), ctx.wait_for("no", timeout=2)]

    decision = run(shop.flow(fn, **SIGNALS), fired=1)
    assert decision.wait == Wait(2, ("no",), delay_ms=2000)


def test_what_was_consumed_goes_with_the_append_of_its_entry(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.now()
        ctx.wait_for("yes")
        shop.act(1)

    effects = Memory()
    run(shop.flow(fn, **SIGNALS), effects=effects, inbox=(signal(1, "yes"),))
    assert effects.seen == ["append 2", "start act"]
    assert effects.consumed == ("yes",)


def test_each_entry_says_what_it_consumes(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.wait_for("yes")
        ctx.emit("a", {})
        ctx.now()

    decision = run(shop.flow(fn, **SIGNALS), inbox=(signal(1, "yes"),))
    kinds = [e.kind for e in entries_of(Memory(), decision)]
    assert [*zip(kinds, decision.consumed, strict=True)] == [
        ("wait", "yes"),
        ("now", ""),
        ("emit", ""),
    ]


BROKEN = [
    signal(1, "yes", payload="{"),
    signal(1, "yes", payload="[]"),
    signal(1, "yes", published_at="soon"),
    signal(1, "yes", payload=f'{{"x":"{"y" * LIMIT}"}}'),
    Item(1, "yes", (b"name", b"\xff")),
    Item(1, "yes", ()),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_signal_nobody_can_read_is_recorded_and_the_next_one_taken(
    shop: Shop, broken: Item, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    app = shop.flow(_asks, **SIGNALS)
    decision = run(app, inbox=(broken, signal(2, "no")))
    result = completed(decision)
    assert result is not None
    assert result.startswith(b'["no"')
    refused, taken = entries_of(Memory(), decision)
    assert (refused.kind, refused.name, refused.ordinal) == ("refused", "yes", 1)
    assert refused.error is not None
    assert refused.error.type.endswith("InvalidPayload")
    assert (taken.kind, taken.ordinal) == ("wait", 1)
    assert decision.consumed == ("yes", "no")
    assert "can't be understood" in caplog.text
    assert completed(run(app, journal=decision.entries)) == result


def test_after_a_signal_nobody_can_read_the_wait_goes_on(shop: Shop) -> None:
    app = shop.flow(_asks, **SIGNALS)
    first = run(app, inbox=(BROKEN[0],))
    assert (first.wait, first.consumed) == (Wait(1, ("yes", "no"), 60_000), ("yes",))
    again = run(app, journal=first.entries, inbox=(signal(2, "no"),))
    assert completed(again)


def test_a_suspended_run_publishes_and_its_replay_does_not(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.set_state("asking")
        ctx.emit("asked", {})
        ctx.wait_for("yes")

    app = shop.flow(fn, **SIGNALS)
    first = run(app)
    assert (first.emits, first.state) == ((Emission("asked", b"{}"),), "asking")
    again = run(app, journal=first.entries, inbox=(signal(1, "yes"),))
    assert (again.emits, again.outcome) == ((), Outcome.COMPLETED)


def test_no_append_ever_stores_an_event_that_is_not_published(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        shop.act(1)
        ctx.emit("asked", {})
        ctx.wait_for("yes")

    effects = Memory()
    decision = run(shop.flow(fn, **SIGNALS), effects=effects)
    for unsaved in effects.unsaved_entries:
        unsaved.store(effects)
    assert effects.journal == ()
    assert [e.kind for e in entries_of(effects, decision)] == ["action", "emit"]


def test_a_suspension_cannot_be_swallowed(shop: Shop) -> None:
    def fn(ctx: Context) -> str:
        for use in (lambda: ctx.wait_for("yes"), lambda: shop.act(1), ctx.now):
            try:
                use()
            except BaseException:  # noqa: BLE001, S112 - what users write
                continue
        return "fine"

    decision = run(shop.flow(fn, **SIGNALS))
    assert decision.outcome is Outcome.SUSPENDED
    assert shop.ran == []


def test_what_a_finally_does_on_the_way_out_leaves_no_trace(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.set_state("asking")
        try:
            ctx.wait_for("yes")
        finally:
            ctx.set_state("asked")

    assert run(shop.flow(fn, **SIGNALS)).state == "asking"


@pytest.mark.parametrize("names", [(), ("yes", "yes"), ("other",), ("yes", "*"), (5,)])
def test_only_declared_signals_can_be_waited_for(
    shop: Shop, names: tuple[Any, ...]
) -> None:
    def fn(ctx: Context) -> None:
        ctx.wait_for(*names)

    failure = run(shop.flow(fn, **SIGNALS)).failure
    assert failure is not None
    assert failure.error_type.endswith("DefinitionError")


def test_the_error_names_what_is_declared(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        with pytest.raises(DefinitionError, match=r"waits for 'maybe'.*: yes, no"):
            ctx.wait_for("maybe")

    completed(run(shop.flow(fn, **SIGNALS)))


NO_DURATION = [float("nan"), float("inf"), True, "1", None, dt.datetime.now(dt.UTC)]


@pytest.mark.parametrize("wrong", NO_DURATION[:-2], ids=repr)
@pytest.mark.parametrize(
    "use",
    [
        lambda ctx, wrong: ctx.wait_for("yes", timeout=wrong),
        lambda ctx, wrong: ctx.sleep(wrong),
        lambda ctx, wrong: ctx.emit("a", {}, delay=wrong),
        lambda ctx, wrong: ctx.start("flow").result(timeout=wrong),
    ],
)
def test_what_is_no_duration_is_refused(
    shop: Shop, use: Callable[[Context, Any], object], wrong: object
) -> None:
    def fn(ctx: Context) -> None:
        with pytest.raises(ValueError, match="must be seconds or a timedelta"):
            use(ctx, wrong)

    completed(run(shop.flow(fn, **SIGNALS)))


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        (0, 0),
        (-5, 0),
        (dt.timedelta(days=-1), 0),
        (0.0001, 1),
        (1.1, 1100),
        (2.007, 2007),
        (dt.timedelta(milliseconds=1500), 1500),
        (10**400, 100_000_000_000_000),
        (dt.timedelta.max, 100_000_000_000_000),
    ],
    ids=repr,
)
def test_durations_are_ms_rounded_up(shop: Shop, given: Any, ms: int) -> None:
    def fn(ctx: Context) -> None:
        ctx.wait_for("yes", timeout=given)

    wait = run(shop.flow(fn, **SIGNALS)).wait
    assert wait is not None
    assert wait.delay_ms == ms


def _sleeps(ctx: Context) -> str:
    ctx.sleep(0.5)
    return "awake"


def test_a_sleep_suspends_until_its_time_is_over(shop: Shop) -> None:
    app = shop.flow(_sleeps)
    decision = run(app)
    assert decision.wait == Wait(1, (), delay_ms=500)
    woken = run(app, fired=1)
    assert completed(woken) == b'"awake"'
    assert completed(run(app, journal=woken.entries)) == b'"awake"'


def test_a_short_sleep_may_be_spent_in_the_thread(shop: Shop) -> None:
    effects = Memory()
    effects.patient = True
    decision = run(shop.flow(_sleeps), effects=effects)
    assert completed(decision) == b'"awake"'
    assert effects.seen == ["pause 0.5"]
    assert [e.kind for e in entries_of(effects, decision)] == ["sleep"]


def test_a_long_sleep_never_holds_the_thread(shop: Shop) -> None:
    def fn(ctx: Context) -> None:
        ctx.sleep(1)

    effects = Memory()
    effects.patient = True
    assert run(shop.flow(fn), effects=effects).outcome is Outcome.SUSPENDED
    assert effects.seen == []


NOW = dt.datetime.fromtimestamp(1_700_000_000, dt.UTC)


def _until(shop: Shop, when: Any, **of: Any) -> Decision:
    def fn(ctx: Context) -> str:
        ctx.sleep_until(when)
        return "awake"

    return run(shop.flow(fn), **of)


def test_a_sleep_until_an_instant_is_due_then(shop: Shop) -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    when = (NOW + dt.timedelta(hours=1, microseconds=1)).astimezone(zone)
    assert _until(shop, when).wait == Wait(1, (), due_ms=1_700_003_600_001)
    assert completed(_until(shop, when, fired=1)) == b'"awake"'


def test_a_sleep_until_what_is_past_goes_on_at_once(shop: Shop) -> None:
    decision = _until(shop, NOW)
    assert completed(decision) == b'"awake"'
    assert [e.kind for e in entries_of(Memory(), decision)] == ["sleep"]


@pytest.mark.parametrize("when", [NOW.replace(tzinfo=None), NOW.date(), 5, None])
def test_only_an_instant_can_be_slept_until(shop: Shop, when: object) -> None:
    failure = _until(shop, when).failure
    assert failure is not None
    assert failure.error_type == "ValueError"


def test_a_wait_inside_an_action_is_refused(shop: Shop) -> None:
    holder: list[Context] = []

    @shop.app.action
    def waits() -> None:
        holder[0].wait_for("yes")

    def fn(ctx: Context) -> object:
        holder.append(ctx)
        try:
            waits()
        except ActionFailed as error:
            return error.error_type
        return None

    result = completed(run(shop.flow(fn, **SIGNALS), inbox=(signal(1, "yes"),)))
    assert result == msgspec.json.encode("workflow_worker.errors.OutsideWorkflowError")
