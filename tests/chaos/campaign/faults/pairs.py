"""Two faults at once: the second strikes while the first one lasts.

Each is written down under its own name, as if nobody knew of the other.
"""

from __future__ import annotations

from tests.chaos.campaign.faults.striking import Fault, Healing, Strike, Table

PAIRS = (
    ("stop-server", "kill-worker"),
    ("kill-server", "kill-master"),
    ("kill-server", "stop-worker"),
    ("restart-server", "hup"),
    ("lose-tail", "kill-workers"),
    ("hup", "kill-worker"),
    ("restart-instance", "kill-worker"),
    ("stop-worker", "kill-worker"),
    ("half-open", "kill-worker"),
    ("cut-off", "kill-master"),
    ("swallow", "kill-worker"),
    ("truncate", "stop-worker"),
    ("oom", "kill-workers"),
    ("readonly", "kill-worker"),
    ("misconf", "hup"),
    ("script-flush", "kill-worker"),
    ("slow-load", "kill-worker"),
    ("full-server", "kill-worker"),
    ("full-log", "kill-workers"),
    ("unplug", "kill-worker"),
    ("deafen", "kill-master"),
)


def paired(faults: Table) -> Table:
    """Return the pairs, named ``first+second``, made of these faults."""
    found: Table = {}
    for first, second in PAIRS:
        name = f"{first}+{second}"
        found[name] = Fault(name, Pair(faults[first], faults[second]))
    return found


class Pair:
    """Strikes with both, and heals both in the opposite order."""

    def __init__(self, first: Fault, second: Fault) -> None:
        self._both = (first, second)

    def __call__(self, strike: Strike) -> Healing | None:
        ends = []
        for fault in self._both:
            end = fault.strike(strike.cluster, strike.chance, strike.journal)
            if end:
                ends.append(end)

        def heal() -> None:
            for end in reversed(ends):
                end()

        return Healing(max(end.lasts for end in ends), heal) if ends else None
