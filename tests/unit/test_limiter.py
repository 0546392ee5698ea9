"""The limiter: what takes too long is stopped in its thread, and nothing else is."""

from __future__ import annotations

import io
import logging
import math
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from tests.servers import wait_until
from workflow_worker.errors import TimeUp
from workflow_worker.worker.doorbell import Doorbell
from workflow_worker.worker.limiter import Limit, Limiter

FOREVER = 3600.0

# What comes while the interpreter runs a finalizer or a callback of the collector, as
# hypothesis has one, is dropped there with a warning. Then the process has its limit.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


class CountingBell(Doorbell):
    """Counts how often it woke somebody."""

    __slots__ = ("rung",)

    def __init__(self) -> None:
        super().__init__()
        self.rung = 0

    def ring(self) -> None:
        self.rung += self.sleeping
        super().ring()


@pytest.fixture
def limiter() -> Limiter:
    limiter = Limiter()
    limiter._bell = CountingBell()
    threading.Thread(target=limiter.run, daemon=True).start()
    wait_until(lambda: limiter._bell.sleeping)
    return limiter


def rung(limiter: Limiter) -> int:
    assert isinstance(limiter._bell, CountingBell)
    return limiter._bell.rung


class Victim:
    """A thread that does something under a limit, as an action's thread does.

    ``times`` is how often it was stopped; ``stray`` what came when it no longer might.
    """

    def __init__(self, limit: Limit, work: Callable[[Victim], object]) -> None:
        self.limit = limit
        self.times = 0
        self.stray: BaseException | None = None
        self.released = threading.Event()
        self._work = work
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            try:
                try:
                    self.limit.arm()
                    self._work(self)
                finally:
                    self.limit.disarm()
            except TimeUp:
                self.limit.disarm()
                self.times += 1
            for _ in range(1000):
                spin(1)
        except BaseException as error:  # noqa: BLE001 - whatever came too late
            self.stray = error

    def end(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()
        assert self.stray is None

    def frame(self) -> FrameType | None:
        return sys._current_frames().get(self.thread.ident or 0)


def spin(turns: int) -> int:
    return sum(turn for turn in range(turns))


def for_ever(victim: Victim) -> None:
    while True:
        spin(10)


@pytest.fixture
def watched(limiter: Limiter) -> Iterator[Callable[..., Victim]]:
    victims: list[Victim] = []

    def watched(seconds: float, work: Callable[[Victim], object]) -> Victim:
        victims.append(Victim(limiter.limit(seconds), work))
        return victims[-1]

    yield watched
    for victim in victims:
        victim.released.set()
        victim.end()


Watched = Callable[..., Victim]


def test_a_loop_that_takes_too_long_is_stopped_once(watched: Watched) -> None:
    victim = watched(0.01, for_ever)
    victim.end()
    assert victim.times == 1
    assert victim.limit.hit


def test_what_ends_in_time_is_left_alone(watched: Watched) -> None:
    victim = watched(FOREVER, lambda _: spin(10))
    victim.end()
    assert (victim.times, victim.limit.hit) == (0, False)


def test_only_the_thread_whose_time_is_over_is_stopped(watched: Watched) -> None:
    patient = watched(FOREVER, lambda victim: victim.released.wait(20))
    hasty = watched(0.01, for_ever)
    hasty.end()
    patient.released.set()
    patient.end()
    assert (hasty.times, patient.times) == (1, 0)


def test_what_does_not_return_to_the_interpreter_is_stopped_on_its_return(
    watched: Watched,
) -> None:
    lock = threading.Lock()
    lock.acquire()
    after: list[str] = []

    def blocked(victim: Victim) -> None:
        lock.acquire()
        after.append("went on")

    victim = watched(0.01, blocked)
    wait_until(lambda: victim.limit.hit)
    assert victim.thread.is_alive()
    lock.release()
    victim.end()
    assert victim.times == 1
    assert after == []


def test_a_second_wind_puts_the_end_off(limiter: Limiter, watched: Watched) -> None:
    go, extended = threading.Event(), threading.Event()

    def alive(victim: Victim) -> None:
        go.wait(20)
        victim.limit.extend()
        extended.set()
        for_ever(victim)

    victim = watched(1.0, alive)
    wait_until(lambda: victim.limit.deadline < math.inf)
    first = victim.limit.deadline
    go.set()
    assert extended.wait(20)
    second = victim.limit.deadline
    assert second > first
    victim.end()
    assert victim.times == 1
    assert time.monotonic() >= second


def test_a_swallowed_end_does_not_come_again(watched: Watched) -> None:
    def stubborn(victim: Victim) -> None:
        try:
            for_ever(victim)
        except TimeUp:
            victim.limit.extend()
        victim.released.wait(20)

    victim = watched(0.01, stubborn)
    wait_until(lambda: victim.limit.hit)
    earlier = watched(0.01, for_ever)  # what is due is looked at again
    earlier.end()
    victim.released.set()
    victim.end()
    assert victim.times == 0


@pytest.mark.parametrize("spread", [0.5, 1.0], ids=["about then", "just before"])
def test_nothing_is_ever_raised_after_the_limit_was_disarmed(
    limiter: Limiter, spread: float
) -> None:
    tries, stopped, stray = 10_000, [], []

    def hurry() -> None:
        chance = random.Random(3)
        for _ in range(tries):
            limit = limiter.limit(chance.random() * 0.0002)
            until = time.monotonic() + limit.seconds * chance.uniform(spread, 1.5)
            try:
                try:
                    limit.arm()
                    while time.monotonic() < until:
                        pass
                finally:
                    limit.disarm()
            except TimeUp:
                limit.disarm()
                stopped.append(limit)
            try:
                spin(3)
            except TimeUp:
                stray.append(limit)

    thread = threading.Thread(target=hurry, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert stray == []
    assert all(limit.hit for limit in stopped)
    assert not limiter._armed


def test_what_is_raised_while_the_limit_is_being_disarmed_is_dropped(
    limiter: Limiter, watched: Watched
) -> None:
    with limiter._raising:
        victim = watched(FOREVER, lambda _: None)

        def waits() -> bool:
            frame = victim.frame()
            return bool(frame and frame.f_code is Limiter.remove.__code__)

        wait_until(waits)
        # As the limiter does, in the moment before its lock is free.
        victim.limit.hit = True
        sys.modules[Limiter.__module__]._raise_in(victim.thread.ident, TimeUp)
    victim.end()
    assert victim.times == 0


def test_a_limit_that_was_disarmed_meanwhile_is_not_hit(limiter: Limiter) -> None:
    limit = limiter.limit(0.0)
    limit.arm()
    limit.disarm()
    limiter._raise(limit)
    assert not limit.hit


def test_a_limit_that_was_extended_meanwhile_is_not_hit(limiter: Limiter) -> None:
    limit = limiter.limit(FOREVER)
    limit.arm()
    limiter._raise(limit)
    limit.disarm()
    assert not limit.hit


@pytest.fixture
def handler() -> Iterator[logging.Handler]:
    """Of the logger ``talkative``, to which another thread talks as well."""
    handler = logging.StreamHandler(io.StringIO())
    log = logging.getLogger("talkative")
    log.propagate = False
    log.addHandler(handler)
    talking = True

    def neighbour() -> None:
        while talking:
            spin(100)
            log.error("me too")

    thread = threading.Thread(target=neighbour, daemon=True)
    thread.start()
    yield handler
    talking = False
    thread.join(10)
    if thread.is_alive():  # then the end of the process would wait as well
        handler.createLock()
    log.addHandler(logging.NullHandler())
    log.removeHandler(handler)


def test_an_end_in_the_middle_of_logging_leaves_no_lock_behind(
    handler: logging.Handler, watched: Watched
) -> None:
    log = logging.getLogger("talkative")

    def talk(victim: Victim) -> None:
        for _ in range(500):
            spin(100)
            log.error("still here")

    stopped = left = 0
    for _ in range(60):
        victim = watched(0.0005, talk)
        victim.end()
        stopped += victim.times
        assert handler.lock is not None
        if handler.lock.acquire(timeout=2):
            handler.lock.release()
        else:
            left += 1
            handler.createLock()
    assert stopped
    # Between the limiter's look and its blow the thread may move on; once is chance.
    assert left <= 1, "left behind"


def test_whoever_stays_in_our_own_code_is_stopped_all_the_same(
    watched: Watched,
) -> None:
    def rings(victim: Victim) -> None:
        bell = Doorbell()
        while True:
            bell.sleep(0.001)

    victim = watched(0.01, rings)
    victim.end()
    assert victim.times == 1


def test_a_later_end_than_the_next_one_wakes_nobody(limiter: Limiter) -> None:
    limiter.limit(FOREVER / 2).arm()
    wait_until(lambda: limiter._bell.sleeping and limiter._planned < math.inf)
    before = rung(limiter)
    for _ in range(100):
        limit = limiter.limit(FOREVER)
        limit.arm()
        limit.disarm()
    assert rung(limiter) == before


def test_an_earlier_end_than_the_next_one_is_met(
    limiter: Limiter, watched: Watched
) -> None:
    limiter.limit(FOREVER).arm()
    wait_until(lambda: limiter._bell.sleeping and limiter._planned < math.inf)
    victim = watched(0.01, for_ever)
    victim.end()
    assert victim.times == 1


def test_disarming_any_number_of_times_is_no_harm(limiter: Limiter) -> None:
    limit = limiter.limit(FOREVER)
    limit.disarm()
    limit.arm()
    limit.disarm()
    limit.disarm()
    assert not limit.hit
