"""What single measurements come to: medians, spreads, percentiles. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

from reports import Report, Run

MIB = 2**20


class Findings:
    """A report, asked for figures."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.labels = {name: each["label"] for name, each in report.contenders.items()}
        told = report.contenders.items()
        self.ours = [name for name, each in told if each["ours"]]
        self.peers = [
            name for name, each in told if not (each["ours"] or each["floor"])
        ]

    def runs(self, workload: str, contender: str, x: int | None = None) -> list[Run]:
        """Return what succeeded; of a curve, at one point."""
        return [
            run
            for run in self.report.runs
            if (run.workload, run.contender, run.x) == (workload, contender, x)
            and not run.failed
        ]

    def values(
        self, workload: str, contender: str, figure: str, x: int | None = None
    ) -> list[float]:
        """Return one figure of every round that has it."""
        found = self.runs(workload, contender, x)
        return [run.figures[figure] for run in found if figure in run.figures]

    def median(
        self, workload: str, contender: str, figure: str, x: int | None = None
    ) -> float | None:
        """Return the median of the rounds, None if none has it."""
        found = self.values(workload, contender, figure, x)
        return statistics.median(found) if found else None

    def again(self, contender: str) -> float | None:
        """Return how long after a kill all ran again in the slowest round.

        None if in one of them something never did.
        """
        runs = self.runs("recovery", contender)
        found = self.values("recovery", contender, "seconds")
        return max(found) if found and len(found) == len(runs) else None

    def percentile(self, workload: str, contender: str, part: float) -> float | None:
        """Return a percentile, by nearest rank, of all rounds' microseconds."""
        times = self.times(workload, contender)
        if not times:
            return None
        return times[max(math.ceil(part * len(times)), 1) - 1]

    def times(self, workload: str, contender: str) -> list[int]:
        """Return all rounds' single times in microseconds, sorted."""
        runs = self.runs(workload, contender)
        return sorted(time for run in runs for time in run.samples)

    def taking_part(self, workload: str) -> list[str]:
        """Return who has figures, or has failed, in the order of the report."""
        there = {run.contender for run in self.report.runs if run.workload == workload}
        return [name for name in self.report.contenders if name in there]

    def best(
        self, found: Callable[[str], float | None], least: bool = False
    ) -> tuple[str, float] | None:
        """Return the peer with the greatest, or the least, of a figure, and that."""
        known = [(name, value) for name in self.peers if (value := found(name))]
        choose = min if least else max
        return choose(known, key=lambda each: each[1]) if known else None

    def points(self, curve: str) -> list[int]:
        """Return where a curve was measured."""
        runs = self.report.runs
        found = {run.x for run in runs if run.workload == curve and run.x is not None}
        return sorted(found)

    def failures(self) -> list[Run]:
        """Return what could not be measured."""
        return [run for run in self.report.runs if run.failed]
