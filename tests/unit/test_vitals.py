"""How a worker fares: its last runs, and whether it can keep up."""

from __future__ import annotations

from workflow_worker.board import Board
from workflow_worker.errors import Unavailable
from workflow_worker.health import RECENT
from workflow_worker.worker.vitals import ASK, BREATHS, LOOK, SAMPLE, Recent, Vitals


class Watched:
    """Vitals of a worker that does as told, on its own clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.busy = True
        self.backlog: int | Exception = 7
        self.asked = 0
        self.recent = Recent()
        self.slot = Board.create(1, 1).slots[0]
        self.slot.hand_over(restarted=False)
        self.slot.inhabited(1)
        self.slot.begin("c")
        self.vitals = Vitals(
            self.slot,
            self.recent,
            lambda: self.busy,
            self.waiting,
            lambda: self.now,
        )

    def waiting(self) -> int:
        self.asked += 1
        if isinstance(self.backlog, Exception):
            raise self.backlog
        return self.backlog

    def look(self, times: int = 1) -> float:
        """Look so many times; since when it is saturated."""
        for _ in range(times):
            self.vitals.look()
            self.now += LOOK
        return self.slot.view().saturated_since

    def end(self, well: int = 0, failed: int = 0) -> None:
        for _ in range(well):
            self.recent.note(failed=False)
        for _ in range(failed):
            self.recent.note(failed=True)

    def lately(self) -> tuple[int, int]:
        self.look()
        view = self.slot.view()
        return view.recent_runs, view.recent_errors


def test_runs_and_errors_of_the_last_minutes_are_shown() -> None:
    watched = Watched()
    watched.end(well=2, failed=3)
    assert watched.lately() == (5, 3)
    watched.now += RECENT / 2
    watched.end(well=4)
    assert watched.lately() == (9, 3)


def test_what_is_longer_ago_is_forgotten_and_nothing_newer() -> None:
    watched = Watched()
    watched.end(failed=3)
    watched.lately()
    watched.look(int(SAMPLE / LOOK))
    watched.end(well=2)
    watched.look(int((RECENT - SAMPLE) / LOOK) - 3)
    assert watched.lately() == (5, 3)
    watched.look(int(SAMPLE / LOOK))
    assert watched.lately() == (2, 0)
    watched.look(int(SAMPLE / LOOK))
    assert watched.lately() == (0, 0)


def test_after_a_long_pause_everything_is_longer_ago() -> None:
    watched = Watched()
    watched.end(failed=30)
    watched.lately()
    watched.now += 10 * RECENT
    assert watched.lately() == (0, 0)


def test_busy_threads_and_a_backlog_are_saturation_since_they_were_seen() -> None:
    watched = Watched()
    since = watched.now
    assert watched.look() == since
    assert watched.look(20) == since


def test_busy_threads_alone_are_not() -> None:
    watched = Watched()
    watched.backlog = 0
    assert watched.look(3) == 0


def test_a_backlog_alone_is_not_even_asked_for() -> None:
    watched = Watched()
    watched.busy = False
    assert watched.look(30) == 0
    assert watched.asked == 0


def test_it_ends_when_the_backlog_does() -> None:
    watched = Watched()
    watched.look()
    watched.backlog = 0
    assert watched.look(int(ASK / LOOK)) == 0


def test_it_ends_when_a_thread_stays_free_and_not_for_a_breath() -> None:
    watched = Watched()
    since = watched.now
    watched.look()
    watched.busy = False
    assert watched.look(BREATHS - 1) == since
    watched.busy = True
    assert watched.look() == since
    watched.busy = False
    assert watched.look(BREATHS) == 0


def test_the_backlog_is_asked_for_now_and_then_only() -> None:
    watched = Watched()
    watched.look(int(3 * ASK / LOOK))
    assert watched.asked == 3


def test_while_redis_is_away_the_last_word_counts() -> None:
    watched = Watched()
    since = watched.now
    watched.look()
    watched.backlog = Unavailable("away")
    assert watched.look(int(2 * ASK / LOOK)) == since
    assert watched.asked == 3
