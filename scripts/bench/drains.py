"""Drains: a backlog is published, then workers start and work it off.

What is told: start-up to the first event, events a second, processor time of workers
and server, round trips and commands of the server per event, memory early on and
afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from contenders import Contender
from marks import DONE
from reports import COMMAND, THREAD
from running import Stage, Workers, publish, threads_of
from tracks import MeasurementError, doubled

Figures = dict[str, float]

SECONDS = {"noop": 3.5, "io": 2.5, "cpu": 2.0, "five": 3.0}
"""How long a drain is to take, by the contender's own guess of its rate."""
FEWEST = {"noop": 500, "io": 200, "cpu": 100, "five": 50}
QUICK, QUICK_FEWEST = 0.1, 60
"""The part of it that is done to try the harness, and the fewest events then."""
WARM = 0.2
"""The part of a backlog after which the measurement begins."""
STEADY = 0.95
"""The part of it where the rate ends: after that, some threads have nothing to do."""
STALLED = 25.0
"""Seconds without an event after which a drain has failed."""
LEAST_US = 0.01
"""Microseconds an event below which a thread or a command is not told of."""
SETTLE = 0.1
"""Seconds that the last acknowledgements are given."""


def backlog(contender: Contender, workload: str, quick: bool) -> int:
    """Return how many events a drain has; quick: hardly any, to see that it runs."""
    wanted = contender.rates.get(workload, 1_000) * SECONDS[workload]
    if quick:
        return max(int(wanted * QUICK), QUICK_FEWEST)
    return max(int(wanted), FEWEST[workload])


def drain(stage: Stage, task: str, events: int, warm: float = WARM) -> Figures:
    """Publish and work off a backlog; return what it took.

    Args:
        stage: where.
        task: which.
        events: how many.
        warm: the part of them after which the measurement begins.

    Raises:
        MeasurementError: not all of it ran.
    """
    publish(stage, task, events)
    with Workers(stage) as workers:
        return _drained(stage, workers, events, int(events * warm))


def _drained(stage: Stage, workers: Workers, events: int, warm: int) -> Figures:
    track, server = stage.track, stage.server
    # Where the window begins is wherever the drain is when the counters are read.
    track.until(max(warm, 1), STALLED, workers.alive)
    early = workers.resident()
    # Of the product alone: it is looked into.
    ran = track.pids() if stage.contender.ours else set()
    cpu, threads, counted = workers.cpu(), threads_of(ran), server.counted()
    begin = track.count()
    track.until(events, STALLED, workers.alive)
    time.sleep(SETTLE)
    cpu, after = workers.cpu() - cpu, server.counted()
    threads = _more(threads_of(ran), threads)
    busy = _more(after.busy, counted.busy) if ran else {}
    sizes = workers.resident()
    marks = track.of(DONE)
    missing = events - len({mark.number for mark in marks})
    if missing:
        raise MeasurementError(f"{missing} of {events} events did not run")
    if begin >= events:
        raise MeasurementError(
            f"{events} events are too few: all ran before any were measured"
        )
    measured = len(marks) - begin
    pids = {mark.pid for mark in marks}
    return {
        "events": events,
        "start": (marks[0].ns - workers.started_ns) / 1e9,
        "rate": _rate(sorted(mark.ns for mark in marks), begin),
        "worker_us": cpu / measured * 1e6,
        "server_us": (after.cpu - counted.cpu) / measured * 1e6,
        "reads": (after.reads - counted.reads) / measured,
        "commands": (after.commands - counted.commands) / measured,
        "doubled": doubled(marks),
        "early": _largest(early, pids),
        "resident": _largest(sizes, pids),
        "family": sum(sizes.values()),
        **_by_name(THREAD, threads, measured),
        **_by_name(COMMAND, busy, measured),
    }


def _more(after: Mapping[str, float], before: Mapping[str, float]) -> Figures:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _by_name(prefix: str, seconds: Mapping[str, float], events: int) -> Figures:
    """Return microseconds an event, by prefix and name; what is next to nothing not."""
    each = {name: spent / events * 1e6 for name, spent in seconds.items()}
    return {prefix + name: us for name, us in each.items() if us >= LEAST_US}


def _rate(times: Sequence[int], begin: int) -> float:
    """Return events a second from the one where the window begins."""
    end = max(int(len(times) * STEADY), begin + 1)
    return (end - begin) * 1e9 / (times[end - 1] - times[begin - 1])


def _largest(sizes: Mapping[int, int], pids: set[int]) -> int:
    """Return the size of the largest process that ran events, 0 if none lives."""
    return max((size for pid, size in sizes.items() if pid in pids), default=0)
