"""Most runs of a workflow fail: its retries get a bounded share, never none."""

from __future__ import annotations

from workflow_worker.worker.floods import Floods


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """Floods, and what the board was told."""

    def __init__(self, most: int = 2) -> None:
        self.clock = Clock()
        self.shown: list[str] = []
        self.floods = Floods(most, self.shown.append, self.clock)

    def end(self, workflow: str, failed: int = 0, well: int = 0) -> None:
        for _ in range(failed):
            self.floods.note(workflow, failed=True)
        for _ in range(well):
            self.floods.note(workflow, failed=False)


def test_a_workflow_of_which_most_runs_fail_is_flooded() -> None:
    watched = Watched()
    watched.end("w", well=9, failed=10)
    assert not watched.floods.flooded
    watched.end("w", failed=1)
    assert watched.floods.flooded == {"w"}
    assert watched.shown == ["w"]


def test_half_of_them_is_not_most() -> None:
    watched = Watched()
    watched.end("w", well=50)
    watched.end("w", failed=50)
    assert not watched.floods.flooded
    watched.end("w", failed=1)
    assert watched.floods.flooded


def test_a_few_failures_say_nothing() -> None:
    watched = Watched()
    watched.end("w", failed=19)
    assert not watched.floods.flooded


def test_each_workflow_is_judged_by_itself() -> None:
    watched = Watched()
    watched.end("bad", failed=100)
    watched.end("good", well=100)
    assert watched.floods.flooded == {"bad"}


def test_a_workflow_that_works_again_recovers() -> None:
    watched = Watched()
    watched.end("w", failed=20)
    watched.end("w", well=39)
    assert watched.floods.flooded == {"w"}
    watched.end("w", well=1)
    assert not watched.floods.flooded
    assert watched.shown == ["w", ""]


def test_one_that_fails_half_the_time_is_not_in_and_out() -> None:
    watched = Watched()
    watched.end("w", well=10)
    watched.end("w", failed=11)
    for _ in range(500):
        watched.end("w", well=2)
        watched.end("w", failed=2)
        watched.clock.now += 0.1
    assert watched.shown == ["w"]


def test_one_that_fails_about_as_often_as_is_noted_is_not_in_and_out() -> None:
    watched = Watched()
    for _ in range(500):
        watched.end("w", failed=1)
        watched.clock.now += 2.9
        watched.floods.settle()
    assert watched.shown == ["w"]


def test_what_is_long_ago_weighs_little() -> None:
    watched = Watched()
    watched.end("w", failed=1000)
    watched.clock.now += 300
    watched.end("w", well=20)
    assert not watched.floods.flooded


def test_a_flood_is_over_when_nothing_runs_any_more() -> None:
    watched = Watched()
    watched.end("w", failed=40)
    watched.clock.now += 60
    watched.floods.settle()
    assert watched.floods.flooded
    watched.clock.now += 30
    watched.floods.settle()
    assert not watched.floods.flooded
    assert watched.shown == ["w", ""]


def test_slow_failures_are_no_flood() -> None:
    watched = Watched()
    for _ in range(200):
        watched.end("w", failed=1)
        watched.clock.now += 5
    assert not watched.floods.flooded


def test_the_board_shows_one_of_several_until_the_last_has_recovered() -> None:
    watched = Watched()
    watched.end("b", failed=20)
    watched.end("a", failed=20)
    watched.end("a", well=40)
    watched.end("b", well=40)
    assert watched.shown == ["b", "a", "b", ""]


def test_retries_of_all_flooded_workflows_share_one_bound() -> None:
    floods = Watched(most=2).floods
    assert floods.begin()
    assert floods.begin()
    assert not floods.begin()
    floods.end()
    assert floods.begin()
    assert not floods.begin()
