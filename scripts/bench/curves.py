"""Scaling curves: how the cost of the product's own event moves with one quantity.

Each point is a drain, but for journals: there it is what an action costs, and what it
takes to run through the journal again when a signal comes.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from drains import STALLED, Figures, drain
from latencies import WARM, paced, waiting
from marks import BEGUN, DONE, ENDED
from running import Stage, Workers, publish
from tracks import MeasurementError, until

MILLION = 1_000_000


@dataclass(frozen=True)
class Point:
    """One point of a curve.

    Attributes:
        curve: its name.
        x: the quantity.
        events: in its drain.
        env: what differs from the product's usual set-up.
    """

    curve: str
    x: int
    events: int
    env: tuple[tuple[str, str], ...] = ()

    @property
    def task(self) -> str:
        """What is published."""
        return f"{self.curve}:{self.x}" if self.curve == "payload" else "noop"


def _workers() -> list[Point]:
    counts = (1, 30_000), (2, 40_000), (4, 40_000), (8, 40_000)
    return [Point("workers", x, n, (("WORKER_COUNT", str(x)),)) for x, n in counts]


def _batches() -> list[Point]:
    sizes = {1: 8_000, 2: 12_000, 5: 25_000, 10: 40_000}
    sizes |= {20: 50_000, 50: 70_000, 100: 80_000, 200: 80_000}
    return [Point("batch", x, n, (("BATCH_SIZE", str(x)),)) for x, n in sizes.items()]


def _payloads() -> list[Point]:
    sizes = {100: 40_000, 1_000: 30_000, 10_000: 15_000, 100_000: 2_000}
    return [Point("payload", x, n) for x, n in sizes.items()]


POINTS = (
    *_workers(),
    *_batches(),
    *_payloads(),
    Point("backlog", 1_000, 1_000),
    Point("backlog", 10_000, 10_000),
    Point("backlog", 100_000, 100_000),
    Point("backlog", MILLION, MILLION),
)
FIRST_TENTH = 0.1
"""A million is measured from here: its workers' memory is compared with then."""
JOURNALS = 1, 10, 100, 1_000, 10_000
ACTIONS = 10_000
"""Journaled in all at each point."""
MOST = 1_000
WOKEN = 20
"""Executions that are signalled, one by one."""
QUICK_POINTS = (
    Point("workers", 1, 400, (("WORKER_COUNT", "1"),)),
    Point("backlog", 1_000, 1_000),
)
QUICK_JOURNALS = (10,)


def point(stage: Stage, at: Point) -> Figures:
    """Drain one point.

    Raises:
        MeasurementError: not all events ran.
    """
    warm = FIRST_TENTH if at.events == MILLION else 0.2
    return drain(stage, at.task, at.events, warm)


def journal(stage: Stage, actions: int) -> Figures:
    """Write journals of that many actions, then have them replayed.

    Raises:
        MeasurementError: not all executions came to their end.
    """
    count = max(min(ACTIONS // actions, MOST), 2)
    with Workers(stage) as workers:
        publish(stage, "latency", WARM, first=count)
        stage.track.until(WARM, STALLED, workers.alive)
        cpu, counted = workers.cpu(), stage.server.counted()
        waiting(stage, workers, f"journal:{actions}", count)
        if not until(lambda: len(stage.track.of(ENDED)) >= count, 2 * STALLED, 0.05):
            raise MeasurementError(f"not all of {count} journals were written")
        cpu, after = workers.cpu() - cpu, stage.server.counted()
        woken = paced(stage, workers, "signal", min(count, WOKEN))
    each = count * actions
    return {
        "events": count,
        "worker_us": cpu / each * 1e6,
        "server_us": (after.cpu - counted.cpu) / each * 1e6,
        "reads": (after.reads - counted.reads) / each,
        "commands": (after.commands - counted.commands) / each,
        "replay_ms": statistics.median(_replays(stage, count)),
        "wake_ms": statistics.median(woken) / 1000,
    }


def _replays(stage: Stage, count: int) -> list[float]:
    """Return the milliseconds from the last start of each function to its end."""
    begun: dict[int, int] = {}
    found = []
    for mark in stage.track.marks():
        if mark.kind == BEGUN:
            begun[mark.number] = mark.ns
        elif mark.kind == DONE and mark.number < count:
            found.append((mark.ns - begun[mark.number]) / 1e6)
    return found
