"""The campaign's checker: each rule on a made-up episode, kept and broken."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.chaos.campaign.faults import FAULTS
from tests.chaos.campaign.harm import KNOWN
from tests.unit.campaign_world import (
    BARE,
    BARELY,
    EXECUTION,
    ORDER,
    World,
    act,
    fault,
    good,
    leave_open,
    publish,
    run,
)


@pytest.fixture
def world() -> World:
    return good()


def test_an_episode_that_kept_every_promise_is_not_blamed(world: World) -> None:
    assert world.violations() == []


def test_a_fault_nobody_knows_is_an_error(world: World) -> None:
    world.faults = [fault("earthquake", 1.0, 2.0)]
    with pytest.raises(ValueError, match="earthquake"):
        world.violations()


def test_of_every_fault_it_is_known_what_it_excuses() -> None:
    alone = {name for pair in FAULTS for name in pair.split("+")}
    assert alone <= KNOWN


# --- nothing acknowledged is lost, nothing appears that was not sent


def test_an_acknowledged_event_that_never_ran_is_lost(world: World) -> None:
    world.runs = [each for each in world.runs if each.says != "b"]
    assert world.broken() == {"lost"}


def test_an_emitted_event_that_started_nothing_is_lost(world: World) -> None:
    world.runs.pop()
    assert world.broken() == {"lost"}


def test_a_step_that_began_and_never_ended_is_lost(world: World) -> None:
    world.acts[-1] = act("o/1", 6.0, None)
    assert world.broken() == {"lost"}


def test_what_was_confirmed_in_the_writes_a_server_lost_may_be_gone(
    world: World,
) -> None:
    world.runs = [each for each in world.runs if each.says != "b"]
    world.ops[0] = publish(1, 1.0, ORDER.sent())
    world.ops.append(publish(4, 7.0, BARE.sent()))
    world.faults = [fault("lose-tail", 7.5, 8.0, since=6.8)]
    world.view.stats["events_succeeded"] -= 1
    assert world.broken() == set()
    world.faults = [fault("lose-tail", 9.5, 10.0, since=9.0)]
    assert "lost" in world.broken()


def test_an_execution_still_open_with_all_it_needs_is_stuck(world: World) -> None:
    leave_open(world)
    assert "stuck" in world.broken()


def test_an_execution_whose_signal_may_not_have_arrived_may_be_open(
    world: World,
) -> None:
    leave_open(world)
    world.ops[2] = publish(3, 5.0, ORDER.signal(1), outcome="unknown")
    world.acts.pop()
    world.runs.pop()
    world.view.journals[EXECUTION] = world.view.journals[EXECUTION][:4]
    world.view.stats.update(
        events_succeeded=4,
        executions_started=3,
        executions_completed=2,
        signals_delivered=1,
        signals_consumed=1,
    )
    assert world.broken() == set()


@pytest.mark.parametrize(
    "fields",
    [
        {"result": b"[1, 0]"},
        {"status": b"failed", "error_type": b"KeyError"},
    ],
)
def test_an_execution_that_ended_otherwise_than_planned(
    world: World, fields: dict[str, bytes]
) -> None:
    world.view.records[EXECUTION] |= fields
    assert "outcome" in world.broken()


def test_an_execution_without_a_record_of_its_end(world: World) -> None:
    world.view.records.clear()
    assert "outcome" in world.broken()


def test_a_record_without_a_status_belongs_to_nobody(world: World) -> None:
    del world.view.records[EXECUTION]["status"]
    assert {"keys", "outcome"} <= world.broken()


@pytest.mark.parametrize(
    "extra",
    [
        run("nobody said this", 3.0, BARELY),
        run("b", 0.5, BARELY),
        run("b", 3.0, "0-x.bare"),
    ],
    ids=["of no story", "before it was sent", "of another execution"],
)
def test_what_was_done_without_being_sent_is_invented(world: World, extra: Any) -> None:
    world.runs.append(extra)
    assert "invented" in world.broken()


def test_a_publish_that_failed_for_sure_must_not_appear(world: World) -> None:
    world.ops[0] = publish(1, 1.0, ORDER.sent())
    world.ops.append(publish(4, 1.0, BARE.sent(), outcome="fail"))
    assert "invented" in world.broken()
    world.ops[-1] = publish(4, 1.0, BARE.sent(), outcome="unknown")
    assert world.broken() == set()


def test_a_record_of_what_was_never_sent_is_invented(world: World) -> None:
    world.view.records["0-x.order"] = world.view.records[EXECUTION]
    assert "invented" in world.broken()


def test_one_emit_is_one_execution(world: World) -> None:
    world.runs.append(run("o/0", 9.0, "0-3-0.audit"))
    assert "once" in world.broken()


def test_an_emit_may_happen_again_if_the_server_forgot_it(world: World) -> None:
    world.runs.append(run("o/0", 9.0, "0-3-0.audit"))
    world.faults = [fault("lose-tail", 4.6, 5.0, since=4.4)]
    assert world.broken() == set()
    world.faults = [fault("lose-tail", 8.0, 8.1, since=7.5)]
    assert world.broken() == {"once"}


@pytest.mark.parametrize("place", [0, 3])
def test_a_step_stands_once_in_its_journal(world: World, place: int) -> None:
    entries = world.view.journals[EXECUTION]
    entries.append(entries[place])
    assert "journal" in world.broken()


@pytest.mark.parametrize("what", ["cancel", "redrive"])
def test_what_waits_for_an_operator_need_not_have_ended(
    world: World, what: str
) -> None:
    world.acts.pop()
    assert "lost" in world.broken()
    world.plan.told = (dataclasses.replace(ORDER, **{what: True}), BARE)
    assert "lost" not in world.broken()
