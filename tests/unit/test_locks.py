"""How long a holder believes in its lock, and how long waiters wait."""

from __future__ import annotations

import itertools

from workflow_worker.broker.locking import Claim
from workflow_worker.clock import monotonic
from workflow_worker.locks.grip import Grip
from workflow_worker.locks.lock import LONGEST_PAUSE, SHORTEST_PAUSE, pauses

TTL = 60


def grip(asked_at: float) -> Grip:
    return Grip(Claim("door", "a", TTL * 1000), 7, asked_at)


def test_a_lock_lasts_from_the_moment_before_it_was_asked_for() -> None:
    now = monotonic()
    assert not grip(now - TTL + 5).lost
    assert grip(now - TTL).lost


def test_a_renewal_makes_it_last_from_the_moment_before_it_was_sent() -> None:
    now = monotonic()
    held = grip(now - TTL + 5)
    assert held.extend(now - TTL + 10)
    assert held.due == now - TTL + 10 + TTL / 3
    assert held.extend(now - TTL)
    assert held.lost


def test_a_lock_that_was_lost_stays_so_whatever_comes_late() -> None:
    over = grip(monotonic() - TTL)
    assert not over.extend(monotonic())
    assert over.lost
    taken = grip(monotonic())
    taken.lose()
    assert not taken.extend(monotonic())
    assert taken.lost


def test_waiters_look_at_random_times_further_and_further_apart() -> None:
    found = [list(itertools.islice(pauses(), 12)) for _ in range(200)]
    for turn, each in enumerate(zip(*found, strict=True)):
        bound = min(SHORTEST_PAUSE * 2 ** (turn + 1), LONGEST_PAUSE)
        assert SHORTEST_PAUSE <= min(each) < max(each) <= bound
        assert max(each) > bound * 0.9
        assert min(each) < SHORTEST_PAUSE + bound * 0.1
