"""Strikes as the plan says, and ends what it struck in time, while the load goes on.

Owns which faults may overlap: what happens to the instances' processes overlaps with
what happens to the server and the way to it; two of the same side never do. Must never
begin a fault whose end it does not see to.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.campaign.cluster import Cluster
from tests.chaos.campaign.faults import FAULTS
from tests.chaos.campaign.faults.striking import Healing
from tests.chaos.campaign.history import Journal
from tests.chaos.campaign.pace import Pace
from tests.chaos.campaign.plan import Strike
from tests.chaos.campaign.profiles import OPERATIONS, PROCESSES

LATE = 120.0
"""Seconds in which the load must come to the next fault."""
LOOK = 0.5
"""Longest time between two looks at what is to be healed."""


def is_about_processes(fault: str) -> bool:
    """Tell which of the two sides a fault belongs to."""
    return fault in PROCESSES or fault in OPERATIONS


@dataclass(frozen=True)
class Lasting:
    """A fault that has begun.

    Attributes:
        strike: which.
        due: when it is to end.
        heal: ends it.
        journal: where that is written.
    """

    strike: Strike
    due: float
    heal: Healing
    journal: Journal

    def end(self) -> None:
        """Wait until it is due, and end it."""
        # Not a wait for something: it is how long the fault lasts.
        time.sleep(max(0.0, self.due - time.monotonic()))
        try:
            self.heal()
        finally:
            self.journal.close()


class Striker:
    """Carries out the strikes of an episode.

    Attributes:
        struck: how often which fault did.
    """

    def __init__(self, cluster: Cluster, pace: Pace, folder: Path) -> None:
        self.struck: Counter[str] = Counter()
        self._cluster = cluster
        self._pace = pace
        self._folder = folder
        self._lasting: list[Lasting] = []

    def run(self, strikes: Iterable[Strike]) -> None:
        """Strike and heal; returns when all is over.

        Raises:
            TimeoutError: the load did not get as far as to the next fault.
        """
        for strike in strikes:
            self._pace.allow(strike.at)
            self._await(strike)
            if self._pace.over:
                break
            self._make_way(about_processes=is_about_processes(strike.fault))
            self._begin(strike)
        self._end(self._lasting)

    def _await(self, strike: Strike) -> None:
        deadline = time.monotonic() + LATE
        while not self._pace.reach(strike.at, self._until_next_end()):
            now = time.monotonic()
            self._end(one for one in self._lasting if one.due <= now)
            if now > deadline:
                message = f"the load did not come to fault {strike.number}"
                raise TimeoutError(message)

    def _make_way(self, *, about_processes: bool) -> None:
        self._end(
            one
            for one in self._lasting
            if is_about_processes(one.strike.fault) == about_processes
        )
        if about_processes:
            # Who could not start, because the server was away, is started again.
            for instance in self._cluster.instances:
                self._cluster.revive(instance)

    def _until_next_end(self) -> float:
        due = min((one.due for one in self._lasting), default=float("inf"))
        return min(LOOK, max(0.0, due - time.monotonic()))

    def _begin(self, strike: Strike) -> None:
        journal = Journal(self._folder, "faults", number=strike.number)
        chance = random.Random(strike.seed)
        heal = FAULTS[strike.fault].strike(self._cluster, chance, journal)
        if heal is None:
            journal.close()
            return
        self.struck[strike.fault] += 1
        due = time.monotonic() + heal.lasts
        self._lasting.append(Lasting(strike, due, heal, journal))

    def _end(self, some: Iterable[Lasting]) -> None:
        for one in sorted(some, key=lambda one: one.due):
            self._lasting.remove(one)
            one.end()
