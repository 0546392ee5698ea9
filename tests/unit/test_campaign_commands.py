"""How the campaign is asked for, what its exit status says, how its load is paced."""

from __future__ import annotations

import threading

import pytest
from click.testing import CliRunner

from tests.chaos.campaign.__main__ import is_enough, main, plans, status
from tests.chaos.campaign.checker import Violation
from tests.chaos.campaign.episode import Result
from tests.chaos.campaign.pace import SLACK, Pace
from tests.chaos.campaign.plan import Plan

PLAN = Plan(1, "loopback", 600_000, 300)
GOOD = Result(PLAN, 600_000, {"cut": 300})
BROKEN = Result(PLAN, violations=(Violation("lost", "gone", "0-e1.order"),))
STUCK = Result(PLAN, left={"timers": 1})
NOT_DONE = Result(PLAN, trouble="no server")


@pytest.mark.parametrize(
    ("results", "wanted"),
    [
        ([GOOD], 0),
        ([GOOD, BROKEN], 1),
        ([STUCK, GOOD], 1),
        ([GOOD, NOT_DONE], 2),
        ([NOT_DONE, BROKEN], 1),
    ],
)
def test_the_exit_status_tells_a_broken_promise_from_a_driver_that_failed(
    results: list[Result], wanted: int
) -> None:
    assert status(results) == wanted


def test_a_long_run_goes_on_until_events_and_faults_are_enough() -> None:
    assert not is_enough([GOOD], None)
    assert is_enough([GOOD, GOOD], None)
    assert is_enough([GOOD], 1)


def test_a_long_run_takes_the_profiles_in_turn_with_a_seed_each() -> None:
    found = list(plans(5, ("links", "hosts"), 100, 2))[:3]
    assert [(plan.seed, plan.profile) for plan in found] == [
        (5, "links"),
        (6, "hosts"),
        (7, "links"),
    ]


def test_a_plan_can_be_read_before_it_is_carried_out() -> None:
    words = ["run", "--seed", "3", "--events", "500", "--faults", "4", "--plan"]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 0
    assert answer.output == f"{Plan(3, 'loopback', 500, 4)}\n"


def test_an_unknown_profile_is_a_usage_error() -> None:
    answer = CliRunner().invoke(main, ["run", "--profile", "calm"])
    assert answer.exit_code == 2
    assert "'calm' is not one of" in answer.output


def test_publishers_come_no_further_than_a_little_past_the_next_fault() -> None:
    pace, told = Pace(), threading.Event()

    def publish() -> None:
        pace.add(100 + SLACK)
        told.set()

    pace.allow(100)
    publisher = threading.Thread(target=publish)
    publisher.start()
    assert pace.reach(100, 10)
    assert not told.is_set()
    pace.allow(None)
    publisher.join(10)
    assert told.is_set()


def test_who_waits_is_let_go_when_an_episode_is_given_up() -> None:
    pace = Pace()
    publisher = threading.Thread(target=pace.add, args=(1,))
    publisher.start()
    pace.end()
    publisher.join(10)
    assert not publisher.is_alive()
