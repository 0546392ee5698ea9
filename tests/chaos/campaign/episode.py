"""One episode: load and faults side by side, then peace, then the verdict.

Owns the order of it. Must never end with anything of it still running.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.campaign.books import read
from tests.chaos.campaign.checker import Violation, check
from tests.chaos.campaign.cluster import Cluster
from tests.chaos.campaign.history import History
from tests.chaos.campaign.load import Hand
from tests.chaos.campaign.operator import Operator
from tests.chaos.campaign.pace import Pace
from tests.chaos.campaign.plan import HANDS, Plan
from tests.chaos.campaign.stalls import lookout
from tests.chaos.campaign.striker import Striker

CALM = 120.0
"""Seconds in which all must be done once the faults are over."""
LATE = 120.0
"""Seconds in which the rest of the load must be published after the last fault."""


@dataclass(frozen=True)
class Result:
    """What came of an episode.

    Attributes:
        plan: what was done.
        events: how many were published, those that executions emitted included.
        by_fault: how often which struck.
        seconds: from the first process to the verdict.
        violations: of any promise.
        left: what was not done though there was peace; nothing if all is well.
        trouble: what kept the driver itself from doing its work; empty if nothing.
    """

    plan: Plan
    events: int = 0
    by_fault: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    violations: tuple[Violation, ...] = ()
    left: dict[str, int] = field(default_factory=dict)
    trouble: str = ""

    @property
    def faults(self) -> int:
        """How many struck."""
        return sum(self.by_fault.values())

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.violations or self.left or self.trouble)


class Episode:
    """Carries out a plan in a folder."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self._pace = Pace()
        self._operator: Operator
        self._hands: list[Hand]

    def run(self) -> Result:
        """Do all of it."""
        began = time.monotonic()
        with (
            Cluster(self.plan, self.folder) as cluster,
            lookout(cluster, self.folder),
        ):
            self._engage(cluster)
            striker = Striker(cluster, self._pace, self.folder)
            try:
                striker.run(self.plan.strikes())
                self._finish_load()
                cluster.heal()
                left = cluster.until_quiet(CALM)
            finally:
                self._pace.end()
                self._operator.leave()
                for thread in (*self._hands, self._operator):
                    thread.join()
            statuses = cluster.stop()
            with cluster.client() as db:
                snapshot = read(db)
        violations = check(History.load(self.folder), snapshot, self.plan)
        bad = {f"exit status of {n}": s for n, s in statuses.items() if s}
        return Result(
            self.plan,
            self._pace.published,
            dict(striker.struck),
            time.monotonic() - began,
            tuple(violations),
            left | bad,
            self._trouble(),
        )

    def _engage(self, cluster: Cluster) -> None:
        urls = [cluster.url(name) for name in cluster.instances]
        self._operator = Operator(urls[0], self.folder, self._pace)
        self._hands = [
            Hand(
                number,
                self.plan.hand(number),
                urls[number % len(urls)],
                self.folder,
                self._pace,
                self._operator.cancel,
                self.plan.seed,
            )
            for number in range(HANDS)
        ]
        for thread in (self._operator, *self._hands):
            thread.start()

    def _finish_load(self) -> None:
        self._pace.allow(None)
        deadline = time.monotonic() + LATE
        for hand in self._hands:
            hand.join(max(0.0, deadline - time.monotonic()))
            if hand.is_alive():
                message = f"{hand.name} has not told all of its stories"
                raise TimeoutError(message)

    def _trouble(self) -> str:
        failures = [t.failure for t in (*self._hands, self._operator) if t.failure]
        return "; ".join(f"{type(error).__name__}: {error}" for error in failures)
