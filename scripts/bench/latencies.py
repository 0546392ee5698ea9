"""What an idle service is measured by: how soon an event starts, or a waiter wakes."""

from __future__ import annotations

import time

from drains import SETTLE, STALLED, Figures
from marks import BEGUN, DONE, SENT
from running import Stage, Workers, cpu_of, producer, publish
from tracks import MeasurementError, by_number, until

RATE = 20
"""Events a second: an idle service, but for them."""
WARM = 10
"""Events sent first, which don't count."""
EVENTS, QUICK_EVENTS = 340, 10
"""Each round: three give the thousand that p99.9 needs."""
ROUNDTRIPS, QUICK_ROUNDTRIPS = 60, 5
IDLE = 2.0
"""Seconds during which nothing happens, to see what idling costs."""
READY = 60.0


def latency(stage: Stage, quick: bool) -> tuple[Figures, list[int]]:
    """Return figures and, in microseconds, the time from each publish to its start.

    Raises:
        MeasurementError: an event did not start.
    """
    events = QUICK_EVENTS if quick else EVENTS
    with Workers(stage) as workers:
        publish(stage, "latency", WARM)
        stage.track.until(WARM, STALLED, workers.alive)
        figures = _idle(stage, workers, 0.3 if quick else IDLE)
        samples = paced(stage, workers, "latency", events, first=WARM)
    return figures, samples


def _idle(stage: Stage, workers: Workers, seconds: float) -> Figures:
    """Return what workers take that do nothing: memory, and part of a core."""
    pids = {mark.pid for mark in stage.track.marks()}
    time.sleep(seconds / 3)
    cpu, family = cpu_of(pids), workers.cpu()
    time.sleep(seconds)
    sizes = workers.resident()
    return {
        "idle_worker": (cpu_of(pids) - cpu) / seconds / max(len(pids), 1),
        "idle_family": (workers.cpu() - family) / seconds,
        "resident": max((sizes.get(pid, 0) for pid in pids), default=0),
        "family": sum(sizes.values()),
    }


def paced(
    stage: Stage, workers: Workers, task: str, events: int, first: int = 0
) -> list[int]:
    """Send events one by one; return how many microseconds each took to arrive.

    Raises:
        MeasurementError: one did not arrive.
    """
    before = len(stage.track.of(DONE))
    command = "pace", task, str(first), str(events), str(RATE)
    with producer(stage, *command) as one:
        one.go()
        one.finished()
    arrived = until(lambda: len(stage.track.of(DONE)) >= before + events, STALLED, 0.05)
    workers.alive()
    sent = by_number(stage.track.of(SENT))
    done = by_number(stage.track.of(DONE))
    if not arrived or not sent.keys() <= done.keys():
        raise MeasurementError(
            f"{len(sent.keys() - done.keys())} of {events} did not arrive"
        )
    return sorted((done[number][0] - ns[0]) // 1000 for number, ns in sent.items())


def roundtrip(stage: Stage, quick: bool) -> tuple[Figures, list[int]]:
    """Let executions wait, wake some at leisure and then many at once.

    Returns:
        The rate at which many go on, and in microseconds the time from signal to going
        on of those that were woken one by one.

    Raises:
        MeasurementError: one did not wait or did not go on.
    """
    few = QUICK_ROUNDTRIPS if quick else ROUNDTRIPS
    guess = stage.contender.rates.get("roundtrip", 100.0)
    many = max(int(guess * (0.1 if quick else 3.0)), 20)
    with Workers(stage) as workers:
        waiting(stage, workers, "roundtrip", few + many)
        samples = paced(stage, workers, "signal", few)
        cpu, counted = workers.cpu(), stage.server.counted()
        publish(stage, "signal", many, first=few)
        if not until(lambda: len(stage.track.of(DONE)) >= few + many, READY, 0.05):
            raise MeasurementError(
                f"not all of {many} executions went on after their signal"
            )
        cpu, after = workers.cpu() - cpu, stage.server.counted()
    done = stage.track.of(DONE)[few:]
    seconds = (done[-1].ns - done[0].ns) / 1e9
    return {
        "events": many,
        "rate": (len(done) - 1) / seconds,
        "worker_us": cpu / many * 1e6,
        "server_us": (after.cpu - counted.cpu) / many * 1e6,
        "reads": (after.reads - counted.reads) / many,
        "commands": (after.commands - counted.commands) / many,
    }, samples


def waiting(stage: Stage, workers: Workers, task: str, count: int) -> None:
    """Start executions and return when they all wait.

    Raises:
        MeasurementError: they do not.
    """
    publish(stage, task, count)
    begun = until(lambda: len(by_number(stage.track.of(BEGUN))) >= count, READY, 0.05)
    workers.alive()
    if not begun:
        raise MeasurementError(
            f"not all of {count} executions began within {READY:g} s"
        )
    time.sleep(5 * SETTLE)
