"""Recovery: a worker process is killed in the middle of its work.

Told: how long until all that it had begun has begun again, what never did, and what ran
twice though its worker was not killed.
"""

from __future__ import annotations

import os
import signal
import time

import psutil

from drains import STALLED, Figures
from marks import BEGUN, ENDED
from running import Stage, Workers, publish
from tracks import MeasurementError, by_number, until

EVENTS = 20
"""Twice as many as are in flight: the killed ones have few to queue behind."""
IN_FLIGHT = 10
WATCHED = 15.0
"""Seconds after which whatever has not begun again counts as lost."""
DECIDED = 3.0
"""Seconds after which what children of the killed have not ended never will."""
PAUSE = 0.01


def recovery(stage: Stage) -> Figures:
    """Kill a busy worker and watch.

    Raises:
        MeasurementError: nothing was running that could have been killed.
    """
    with Workers(stage) as workers:
        # Each process has run something before: what is measured is no start-up.
        publish(stage, "slow", IN_FLIGHT, first=EVENTS)
        done = until(lambda: len(stage.track.of(ENDED)) >= IN_FLIGHT, STALLED, PAUSE)
        workers.alive()
        if not done:
            raise MeasurementError("the first events did not run")
        publish(stage, "slow", EVENTS)
        begun = until(lambda: len(_running(stage)) >= IN_FLIGHT - 1, STALLED, PAUSE)
        if not begun:
            raise MeasurementError(
                f"{len(_running(stage))} events ran at once, not {IN_FLIGHT}"
            )
        killed, at = _kill(stage)
        return _watched(stage, killed, at)


def _running(stage: Stage) -> dict[int, int]:
    """Return the process of each event that has begun and not ended."""
    found = {}
    for mark in stage.track.marks():
        if mark.kind == BEGUN:
            found[mark.number] = mark.pid
        elif mark.kind == ENDED:
            found.pop(mark.number, None)
    return found


def _kill(stage: Stage) -> tuple[set[int], int]:
    """Kill a worker; return the numbers that died with it, and when that was."""
    running = _running(stage)
    victim = psutil.Process(list(running.values())[-1])
    for _ in range(stage.contender.victim):
        parent = victim.parent()
        if parent is None:
            raise MeasurementError("the worker to be killed has no parent")
        victim = parent
    below = victim.children(recursive=True)
    os.kill(victim.pid, signal.SIGKILL)
    at = time.monotonic_ns()
    # Its children may follow it, or go on: their work is dead only if they are.
    fates = {victim.pid, *(child.pid for child in below)}
    begun = {number: pid for number, pid in _running(stage).items() if pid in fates}

    def decided() -> bool:
        alive = {child.pid for child in below if _lives(child)}
        return not alive.intersection(_unended(stage, begun).values())

    until(decided, DECIDED, PAUSE)
    killed = set(_unended(stage, begun))
    if not killed:
        raise MeasurementError("the worker had nothing begun when it was killed")
    return killed, at


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _unended(stage: Stage, begun: dict[int, int]) -> dict[int, int]:
    """Return what the processes that began it have not ended."""
    ended = {(mark.number, mark.pid) for mark in stage.track.of(ENDED)}
    return {number: pid for number, pid in begun.items() if (number, pid) not in ended}


def _watched(stage: Stage, killed: set[int], at: int) -> Figures:
    def again() -> dict[int, int]:
        later = (mark for mark in stage.track.of(BEGUN) if mark.ns > at)
        times = by_number(later)
        return {number: times[number][0] for number in killed if number in times}

    until(lambda: len(again()) == len(killed), WATCHED, PAUSE)
    until(lambda: _all_ended(stage), 2.0, PAUSE)
    back = again()
    begun = by_number(stage.track.of(BEGUN))
    twice = {number for number, times in begun.items() if len(times) > 1}
    figures: Figures = {
        "killed": len(killed),
        "watched": WATCHED,
        "lost": len(killed - back.keys()),
        "doubled": len(twice - killed),
    }
    if len(back) == len(killed):
        figures["seconds"] = (max(back.values()) - at) / 1e9
    return figures


def _all_ended(stage: Stage) -> bool:
    ended = by_number(stage.track.of(ENDED))
    return len([number for number in ended if number < EVENTS]) == EVENTS
