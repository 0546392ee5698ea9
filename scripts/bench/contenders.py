"""What the harness must know of each contender: how it is installed and started.

Owns the description alone; the entries are in ``peers/``. Never imports a contender.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DRAINS = frozenset({"noop", "io", "cpu"})
QUEUES = DRAINS | {"latency", "recovery"}
"""What every task queue can do."""
DURABLE = frozenset({"five", "roundtrip"})
"""What needs durable executions."""


@dataclass(frozen=True)
class Contender:
    """One set-up of one library.

    In ``commands`` and the values of ``env`` these are filled in: ``{python}`` and
    ``{bin}`` of its environment, ``{port}`` and ``{url}`` of the server, and
    ``{folder}``, an empty one of the run. Every process gets ``scripts/bench`` on its
    path, so ``marks`` and ``peers.NAME`` can be imported; its working directory is the
    folder, ``BENCH_URL`` the server's. The producer is ``{python} -m MODULE publish``
    and so on: see ``marks.produce``.

    Attributes:
        name: as tables and ``--contenders`` say it; unique.
        label: as plots and texts say it.
        module: ``peers.celery_prefork``: imported by its workers and its producers.
        commands: command lines started at once; together 2 processes, 10 in flight.
        setting: one sentence or two: how it is set up, which advice of its own docs
            that follows.
        promise: one sentence: what happens to begun work after a ``kill -9``.
        url: the page of its docs that says so.
        requirements: pinned; installed into an environment of its own, which those with
            equal requirements share. None: the environment the harness runs in.
        env: variables of all its processes.
        workloads: those it takes part in.
        rates: events a second, roughly, by workload: how large a drain is. 1,000 where
            nothing is said.
        victim: whom the recovery kills: the process that made the mark (0), its parent
            (1) and so on.
        ours: it is the product, not a peer.
        floor: it is the machine itself, not a peer.
    """

    name: str
    label: str
    module: str
    commands: tuple[tuple[str, ...], ...]
    setting: str = ""
    promise: str = ""
    url: str = ""
    requirements: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workloads: frozenset[str] = QUEUES
    rates: Mapping[str, float] = field(default_factory=dict)
    victim: int = 0
    ours: bool = False
    floor: bool = False
