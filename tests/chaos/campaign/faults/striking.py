"""What a fault is: it strikes a cluster, says so in the journal, and is healed later.

Owns how strikes and heals are written down: a strike before it is carried out, a heal
after it, so that what happened lies between the two. A fault draws all its choices from
the chance it is handed, and never waits for longer than a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from tests.chaos.campaign.disks import Disk
from tests.chaos.campaign.hosts import Hosts
from tests.chaos.campaign.proxy import Proxy
from tests.servers import Server


class Cluster(Protocol):
    """What faults want of it. Instances are known by their names."""

    @property
    def instances(self) -> Sequence[str]: ...
    @property
    def server(self) -> Server: ...
    def workers(self, instance: str) -> list[int]:
        """Processes that take events now."""
        ...

    def master(self, instance: str) -> int | None: ...
    def monitor(self, instance: str) -> int | None: ...
    def proxy(self, instance: str) -> Proxy: ...
    def disk(self, whose: str) -> Disk | None:
        """Where an instance's log is, or with ``server`` its data; None: on no own."""
        ...

    @property
    def hosts(self) -> Hosts | None: ...
    def revive(self, instance: str) -> None:
        """Start an instance whose master is gone."""
        ...


class Writes(Protocol):
    """The journal of one strike."""

    def write(self, **fields: Any) -> object: ...


@dataclass(frozen=True, slots=True)
class Healing:
    """Ends a strike; to be called after so many seconds, exactly once."""

    lasts: float
    _end: Callable[[], None]

    def __call__(self) -> None:
        self._end()


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike while it is carried out: on what, chosen by which chance."""

    name: str
    cluster: Cluster
    chance: Random
    journal: Writes

    def tell(
        self,
        *,
        pids: Sequence[int] = (),
        instance: str = "",
        since: float | None = None,
        **detail: Any,
    ) -> None:
        """Write down what strikes now.

        Args:
            pids: processes it takes down or holds up.
            instance: whom it strikes; empty: everybody.
            since: the server may forget what it was told after this moment.
            detail: parameters.
        """
        self._write("strike", pids, instance, since=since, detail=detail)

    def lasting(
        self,
        least: float,
        most: float,
        undo: Callable[[], object] | None = None,
        *,
        pids: Sequence[int] = (),
        instance: str = "",
    ) -> Healing:
        """Return what ends it after a time between these two, and writes that down."""

        def end() -> None:
            if undo:
                undo()
            self._write("heal", pids, instance)

        return Healing(self.chance.uniform(least, most), end)

    def instance(self, workers: int = 0) -> str:
        """One of the instances; one that has so many workers, if there is one."""
        names = list(self.cluster.instances)
        self.chance.shuffle(names)
        for name in names:
            if not workers or len(self.cluster.workers(name)) >= workers:
                return name
        return names[0]

    def one(self, pids: Sequence[int]) -> int | None:
        """One of these processes, if there is any."""
        return self.chance.choice(list(pids)) if pids else None

    def _write(
        self, phase: str, pids: Sequence[int], instance: str, **more: Any
    ) -> None:
        self.journal.write(
            fault=self.name,
            phase=phase,
            pids=list(pids),
            instance=instance,
            **more,
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    name: str
    hits: Callable[[Strike], Healing | None]

    def strike(
        self, cluster: Cluster, chance: Random, journal: Writes
    ) -> Healing | None:
        """Strike, and return what ends it; None if there was nothing to strike."""
        return self.hits(Strike(self.name, cluster, chance, journal))


Table = dict[str, Fault]
Hits = Callable[[Strike], Healing | None]


def into(table: Table, name: str) -> Callable[[Hits], Hits]:
    """Put the function into the table as a fault of this name."""

    def put(hits: Hits) -> Hits:
        table[name] = Fault(name, hits)
        return hits

    return put
