"""The campaign's checker, on order, locks, a system at rest, and its books."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from tests.chaos.campaign.checker import evidence
from tests.chaos.campaign.history import History
from tests.unit.campaign_world import (
    BARE,
    EXECUTION,
    ORDER,
    World,
    act,
    fault,
    good,
    leave_open,
    publish,
    wait_entry,
)


@pytest.fixture
def world() -> World:
    return good()


# --- order and tokens


@pytest.mark.parametrize("seqs", [(1, 0), (0, 0), (1,)])
def test_signals_are_consumed_in_order_without_gaps(
    world: World, seqs: tuple[int, ...]
) -> None:
    entries = [wait_entry(2 + 3 * place, seq) for place, seq in enumerate(seqs)]
    others = [e for e in world.view.journals[EXECUTION] if e["kind"] != "wait"]
    world.view.journals[EXECUTION] = [*others, *entries]
    assert "order" in world.broken()


def test_a_signal_that_may_not_have_arrived_leaves_no_gap(world: World) -> None:
    world.ops[1] = publish(2, 3.0, ORDER.signal(0), outcome="unknown")
    journal = world.view.journals[EXECUTION]
    world.view.journals[EXECUTION] = [e for e in journal if e != wait_entry(2, 0)]
    assert "order" not in world.broken()


def grant(token: int, t: float, ended: float | None, **more: Any) -> Any:
    return act(f"l{token}", t, ended, token=token, lock="lock0", **more)


def lock_rules(world: World) -> set[str]:
    return world.broken() & {"token", "exclusion"}


def test_tokens_grow_and_locks_exclude(world: World) -> None:
    world.acts += [grant(5, 1.0, 1.5), grant(6, 1.6, 1.9), grant(9, 2.0, None)]
    assert lock_rules(world) == set()


@pytest.mark.parametrize(
    ("grants", "rule"),
    [
        ([(5, 1.0, 1.5), (4, 1.6, 1.9)], "token"),
        ([(5, 1.0, 1.5), (9, 1.1, 9.0), (6, 1.7, 1.8), (5, 1.9, 2.0)], "token"),
        ([(5, 1.0, 1.5), (5, 1.6, 1.9)], "token"),
        ([(5, 1.0, 1.5), (5, 1.4, 1.9)], "token"),
        ([(5, 1.0, 1.5), (6, 1.4, 1.9)], "exclusion"),
    ],
    ids=["smaller", "than one before", "the same", "the same at a time", "both"],
)
def test_a_lock_that_does_not_hold(
    world: World, grants: list[tuple[int, float, float]], rule: str
) -> None:
    world.acts += [grant(*each) for each in grants]
    assert rule in lock_rules(world)


def test_who_was_stopped_may_lose_a_lock(world: World) -> None:
    world.acts += [grant(5, 1.0, 2.9), grant(6, 2.4, 2.6, pid=12)]
    world.faults = [fault("stop-worker", 1.2, 2.8, pids=(11,))]
    assert lock_rules(world) == set()


# --- at rest


def test_nothing_is_pending(world: World) -> None:
    snapshot = world.snapshot
    world.snapshot = dataclasses.replace(snapshot, pending=(("1-0", "a.0.1"),))
    assert world.broken() == {"pending"}
    world.snapshot = snapshot
    world.view.entries = {"1-0": {"name": b"bare"}}
    assert world.broken() == {"pending"}
    world.view.entries = {}
    world.view.timers = {f"w:{EXECUTION}": 5.0}
    assert "pending" in world.broken()


def test_no_consumer_is_without_a_process(world: World) -> None:
    world.snapshot = dataclasses.replace(world.snapshot, living=frozenset())
    assert world.broken() == {"consumers"}


@pytest.mark.parametrize(
    "key",
    [
        "somebody's",
        "{wf:0}:unheard-of",
        "{wf:0}:once:x",
        "{wf:0}:lock:x",
        "{wf:0}:j:0-x.order",
        "{wf:0}:in:0-o.order",
        "{wf:0}:early:order:k",
    ],
)
def test_no_key_is_without_an_owner_or_an_end(world: World, key: str) -> None:
    world.snapshot.keys[key] = -1
    assert world.broken() == {"keys"}


def test_an_open_mark_of_what_has_ended_is_left_over(world: World) -> None:
    world.view.opened = {"order:k-o": {EXECUTION}}
    world.snapshot.keys["{wf:0}:open:order:k-o"] = -1
    assert world.broken() == {"keys"}


def test_a_finished_execution_is_forgotten_some_day(world: World) -> None:
    world.snapshot = dataclasses.replace(world.snapshot, expiring=frozenset())
    assert world.broken() == {"keys"}


def test_an_execution_that_runs_has_a_wake(world: World) -> None:
    leave_open(world)
    world.view.records[EXECUTION]["status"] = b"running"
    assert "wake" in world.broken()


# --- the books


@pytest.mark.parametrize(
    "name",
    [
        "executions_completed",
        "executions_started",
        "signals_consumed",
        "signals_delivered",
        "events_succeeded",
        "executions_failed",
    ],
)
@pytest.mark.parametrize("by", [-1, 1])
def test_a_counter_that_is_wrong_by_one(world: World, name: str, by: int) -> None:
    world.view.stats[name] += by
    assert world.broken() == {"conservation"}


def test_events_of_unknown_outcome_may_count_or_not(world: World) -> None:
    fate = dataclasses.replace(BARE.fate, steps=("c",))
    other = dataclasses.replace(BARE, id="c", payload={"says": "c"}, fate=fate)
    world.plan.told = (*world.plan.told, other)
    event = msgspec.structs.replace(BARE.sent(), id="c", says="c")
    world.ops.append(publish(5, 2.0, event, outcome="unknown"))
    assert world.broken() == set()
    names = ("events_succeeded", "executions_started", "executions_completed")
    for name in names:
        world.view.stats[name] += 1
    assert world.broken() == set()
    for name in names:
        world.view.stats[name] += 1
    assert world.broken() == {"conservation"}


# --- what is shown of a violation


def test_all_lines_about_an_execution_are_shown_with_the_faults_around(
    world: World,
) -> None:
    world.again("o/1", 6.5)
    world.faults = [
        fault("cut", 6.1, 6.3, instance="b"),
        fault("cut", 60.0, 61.0, instance="b"),
    ]
    [violation] = world.violations()
    history = History(
        tuple(world.ops), tuple(world.acts), tuple(world.runs), tuple(world.faults)
    )
    shown = "\n".join(evidence(history, violation))
    for text in ("publish o-s0", "try 1 in 12", "'o/reserve'", "strikes b"):
        assert text in shown
    assert "60.000" not in shown
    assert "runs 'b'" not in shown


def test_every_record_is_listed(world: World) -> None:
    world.view.by_status = {"completed": set()}
    assert world.broken() == {"keys"}
