"""A plan of the campaign decides everything, and always the same."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.campaign.plan import HANDS, Plan
from tests.chaos.campaign.profiles import PROFILES
from tests.chaos.campaign.stories import SHARES

PLAN = Plan(7, "loopback", 20_000, 26)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_same_seed_makes_the_same_plan(profile: str) -> None:
    one, other = Plan(3, profile, 2000, 20), Plan(3, profile, 2000, 20)
    assert str(one) == str(other)
    assert list(one.stories()) == list(other.stories())


def test_another_seed_makes_another_plan() -> None:
    other = Plan(8, "loopback", 20_000, 26)
    assert list(PLAN.stories()) != list(other.stories())
    assert PLAN.strikes() != other.strikes()


def test_the_load_has_stories_of_every_kind_and_the_size_asked_for() -> None:
    stories = list(PLAN.stories())
    assert {story.kind for story in stories} == SHARES.keys()
    events = sum(story.events for story in stories)
    assert 20_000 <= events < 20_050


def test_publishers_share_the_stories() -> None:
    hands = [story.number for n in range(HANDS) for story in PLAN.hand(n)]
    assert sorted(hands) == [story.number for story in PLAN.stories()]


def test_what_is_told_is_unique_to_a_step() -> None:
    told = Counter(
        says
        for story in PLAN.stories()
        for says in (
            *(story.fate.steps + story.fate.may),
            *(story.fate.undone + story.fate.children),
            *story.fate.emits,
        )
    )
    assert [says for says, count in told.items() if count > 1] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_each_fault_of_a_profile_strikes_if_there_is_room(profile: str) -> None:
    strikes = Plan(5, profile, 20_000, 26).strikes()
    assert {strike.fault for strike in strikes} == PROFILES[profile].faults.keys()
    assert [strike.at for strike in strikes] == sorted(s.at for s in strikes)
    assert strikes[0].at > 0
    assert strikes[-1].at < 20_000


def test_what_a_plan_prints_is_what_makes_it_again() -> None:
    assert "run --seed 7 --profile loopback --events 20000 --faults 26" in str(PLAN)
