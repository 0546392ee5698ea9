"""Which measurements are made, in which order, how often. It measures nothing itself.

Contenders take turns within a round, so that whatever else the machine does hits all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import curves
from contenders import Contender
from drains import Figures, backlog, drain
from latencies import latency, roundtrip
from recovery import recovery
from running import Stage

Measured = tuple[Figures, list[int]]
"""Figures, and single times in microseconds where there are some."""

SIMPLE = "noop", "io", "cpu", "five"
WORKLOADS = (*SIMPLE, "latency", "roundtrip", "recovery", "curves")


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes:
        workload: its name; of a curve ``curve-NAME``.
        contender: who.
        round: counted from 1.
        measure: does it.
        env: what differs from the contender's usual set-up.
        x: where on a curve.
    """

    workload: str
    contender: Contender
    round: int
    measure: Callable[[Stage], Measured]
    env: dict[str, str] = field(default_factory=dict)
    x: int | None = None


def jobs(
    contenders: Sequence[Contender], only: Sequence[str], rounds: int, quick: bool
) -> Iterator[Job]:
    """Return all measurements in order.

    Args:
        contenders: who takes part.
        only: which workloads; none for all.
        rounds: how often.
        quick: hardly any work, and few points of curves: to try it.
    """
    for each in range(1, rounds + 1):
        for workload in only or WORKLOADS:
            for contender in contenders:
                if workload not in contender.workloads:
                    continue
                if workload == "curves":
                    yield from _curves(contender, each, quick)
                else:
                    measure = _measure(workload, contender, quick)
                    yield Job(workload, contender, each, measure)


def _measure(
    workload: str, contender: Contender, quick: bool
) -> Callable[[Stage], Measured]:
    if workload == "latency":
        return lambda stage: latency(stage, quick)
    if workload == "roundtrip":
        return lambda stage: roundtrip(stage, quick)
    if workload == "recovery":
        return lambda stage: (recovery(stage), [])
    events = backlog(contender, workload, quick)
    return lambda stage: (drain(stage, workload, events), [])


def _curves(contender: Contender, round_: int, quick: bool) -> Iterator[Job]:
    for at in curves.QUICK_POINTS if quick else curves.POINTS:
        name = f"curve-{at.curve}"
        yield Job(name, contender, round_, _point(at), dict(at.env), at.x)
    for actions in curves.QUICK_JOURNALS if quick else curves.JOURNALS:
        yield Job("curve-journal", contender, round_, _journal(actions), x=actions)


def _point(at: curves.Point) -> Callable[[Stage], Measured]:
    return lambda stage: (curves.point(stage, at), [])


def _journal(actions: int) -> Callable[[Stage], Measured]:
    return lambda stage: (curves.journal(stage, actions), [])
