"""The campaign's checker, on what happens outside Redis: what excuses a repetition."""

from __future__ import annotations

import dataclasses

import pytest

from tests.chaos.campaign.records import REDRIVE, Fault, Op
from tests.unit.campaign_world import (
    BARE,
    BARELY,
    EXECUTION,
    ORDER,
    World,
    act,
    fault,
    good,
    line,
    run,
)


@pytest.fixture
def world() -> World:
    return good()


AGAIN = 6.5
"""When the order's last step begins once more; it first began at 6.0."""


@pytest.mark.parametrize(
    "excuse",
    [
        fault("kill-worker", 6.2, 6.3, pids=(11,)),
        fault("kill-master", 6.2, 6.3, pids=(5,), instance="a"),
        fault("stop-worker", 4.9, 6.4, pids=(11,)),
        fault("stop-worker", 4.9, 6.3, pids=(12,)),
        fault("cut-off", 5.0, 6.4, instance="a"),
        fault("strand", 5.9, 6.1, instance="a"),
        fault("stop-server", 5.1, 6.2),
        fault("stall", 5.1, 6.2),
        fault("lose-tail", 6.3, 6.4, since=6.0),
    ],
    ids=lambda each: f"{each.name} {each.pids}",
)
def test_a_step_may_begin_twice_for_a_reason(world: World, excuse: Fault) -> None:
    world.again("o/1", AGAIN)
    world.faults = [excuse]
    assert world.broken() == set()


@pytest.mark.parametrize(
    "fault_",
    [
        fault("kill-worker", 6.2, 6.3, pids=(13,)),
        fault("stall", 6.0, 6.2),
        fault("kill-worker", 4.2, 4.3, pids=(11,)),
        fault("kill-worker", 6.8, 6.9, pids=(11,)),
        fault("kill-master", 6.2, 6.3, pids=(5,), instance="b"),
        fault("kill-monitor", 6.2, 6.3, pids=(11,)),
        fault("stop-worker", 6.1, 6.4, pids=(11,)),
        fault("stop-worker", 4.9, 6.4, pids=(13,)),
        fault("stop-worker", 3.0, 5.0, pids=(12,)),
        fault("cut-off", 5.0, 6.4, instance="b"),
        fault("cut", 6.1, 6.3, instance="a"),
        fault("script-flush", 6.1, 6.2),
        fault("hup", 6.1, 6.4, instance="a"),
        fault("lose-tail", 8.0, 8.1, since=7.9),
    ],
    ids=lambda each: f"{each.name} {each.struck} {each.instance}",
)
def test_no_other_fault_explains_a_step_that_began_twice(
    world: World, fault_: Fault
) -> None:
    world.again("o/1", AGAIN)
    world.faults = [fault_]
    assert world.broken() == {"twice"}


def test_a_step_that_began_twice_for_no_reason(world: World) -> None:
    world.again("o/1", AGAIN)
    assert world.broken() == {"twice"}


@pytest.mark.parametrize(
    "late",
    [
        fault("kill-worker", 9.0, 9.1, pids=(11,)),
        fault("stop-worker", 9.0, 11.0, pids=(11,)),
    ],
    ids=lambda each: str(each.name),
)
def test_what_strikes_once_a_step_is_stored_is_no_reason(
    world: World, late: Fault
) -> None:
    world.again("o/1", 11.5)
    world.faults = [late]
    assert world.broken() == {"twice"}
    world.faults = [fault("cut", 8.0, 8.2, instance="a"), late]
    assert world.broken() == set()


@pytest.mark.parametrize(
    "past",
    [
        fault("stop-worker", 5.0, 6.8, pids=(12,)),
        fault("lose-tail", 8.5, 8.6, since=8.4),
    ],
    ids=lambda each: str(each.name),
)
def test_what_was_over_or_came_too_late_is_no_reason(world: World, past: Fault) -> None:
    world.again("o/1", 11.5)
    world.faults = [past]
    assert world.broken() == {"twice"}


@pytest.mark.parametrize("failed", [True, False])
def test_what_failed_begins_anew_when_an_operator_redrives_it(
    world: World, failed: bool
) -> None:
    world.acts[-1] = act("o/1", 6.0, failed=failed)
    world.again("o/1", AGAIN)
    world.ops.append(Op("operator:1", REDRIVE, "ok", 6.3, 6.4, 6.4, id=EXECUTION))
    assert world.broken() == (set() if failed else {"twice"})


def test_a_step_without_a_key(world: World) -> None:
    world.acts[-1] = act("o/1", 6.0, key="")
    assert world.broken() == {"key"}


def test_what_was_submitted_after_a_step_may_not_have_waited_for_it(
    world: World,
) -> None:
    killed(world)
    world.acts[-1] = act("o/1", 6.0, beside=True)
    world.again("o/0", AGAIN)
    assert "seen" not in world.broken()


def test_another_try_is_not_a_second_time(world: World) -> None:
    world.acts[-1] = act("o/1", 6.0, failed=True)
    world.again("o/1", AGAIN, attempt=2, pid=11)
    assert world.broken() == set()


def test_plain_code_runs_twice_only_for_a_reason(world: World) -> None:
    world.runs.append(run("b", 2.5, BARELY, pid=12))
    assert world.broken() == {"twice"}
    world.faults = [fault("kill-worker", 2.1, 2.2, pids=(11,))]
    assert world.broken() == set()


def test_short_silences_one_after_another_are_a_long_one(world: World) -> None:
    world.again("o/1", AGAIN)
    world.faults = [
        fault("stop-worker", 5.6, 6.0, pids=(11,)),
        fault("cut-off", 6.2, 6.4, instance="a"),
    ]
    assert world.broken() == set()


def killed(world: World) -> None:
    world.faults = [fault("kill-worker", 6.05, 6.3, pids=(11,))]


@pytest.mark.parametrize("key", ["", "another", "wf:e:0-o.order:o/0"])
def test_a_step_keeps_its_key_and_shares_it_with_none(world: World, key: str) -> None:
    killed(world)
    world.again("o/1", AGAIN, key=key)
    assert world.broken() == {"key"}


def test_two_steps_with_one_key(world: World) -> None:
    world.acts[0] = act("o/reserve", 2.0, key=line("o/0", 4.0).key)
    assert world.broken() == {"key"}


def test_a_step_may_take_the_place_of_one_that_the_server_forgot(
    world: World,
) -> None:
    world.acts[-1] = act("o/1", 6.0, key=line("o/0", 4.0).key)
    world.faults = [fault("lose-tail", 4.5, 4.6, since=3.0)]
    assert "key" not in world.broken()
    for other in (
        fault("lose-tail", 1.5, 1.6, since=1.0),
        fault("lose-tail", 7.0, 7.1, since=3.0),
    ):
        world.faults = [other]
        assert "key" in world.broken()


def test_what_a_later_step_had_seen_is_not_done_again(world: World) -> None:
    killed(world)
    world.again("o/0", AGAIN)
    assert world.broken() == {"seen"}


def test_what_was_submitted_beside_need_not_have_been_seen(world: World) -> None:
    killed(world)
    world.acts[1] = act("o/0", 4.0, beside=True)
    world.again("o/0", AGAIN, beside=True)
    assert world.broken() == set()


@pytest.mark.parametrize(
    "excuse",
    [
        fault("lose-tail", 6.2, 6.3, since=4.0),
        fault("stop-worker", 4.0, 6.4, pids=(12,)),
    ],
    ids=["forgotten", "stopped on the doorstep"],
)
def test_what_was_seen_is_done_again_for_a_reason(world: World, excuse: Fault) -> None:
    world.faults = [excuse]
    world.again("o/0", AGAIN)
    assert world.broken() == set()


def test_compensations_run_in_reverse(world: World) -> None:
    fate = dataclasses.replace(ORDER.fate, undone=("undo o/1", "undo o/0"))
    world.plan.told = (dataclasses.replace(ORDER, fate=fate), BARE)
    world.acts += [act("undo o/1", 7.0), act("undo o/0", 8.0)]
    assert world.broken() == set()
    world.acts[-2:] = [act("undo o/0", 7.0), act("undo o/1", 8.0)]
    assert world.broken() == {"undone"}
    del world.acts[-1]
    assert world.broken() == {"lost"}
