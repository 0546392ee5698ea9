"""What was to be reached, and whether it was. Pure: from the report alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from findings import MIB, Findings
from reports import Report

OURS, BATCHED = "ours", "ours-100"
FLOOR_IO, FLOOR_LATENCY = "bare-threads", "bare-read"
MILLION, JOURNAL = 1_000_000, 1_000
WHOLE = 100
"""From here on digits after the point mean nothing."""
FLAT = 1.02
"""How much larger a worker may be after a million events than after the first tenth."""


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        what: is measured.
        needed: as text.
        found: as text.
        reached: None if it could not be told.
    """

    what: str
    needed: str
    found: str
    reached: bool | None

    @property
    def word(self) -> str:
        """The judgement in a word."""
        return {True: "reached", False: "missed", None: "not measured"}[self.reached]


def targets(report: Report) -> list[Target]:
    """Return all of them, judged."""
    found = Findings(report)
    return [
        *_drains(found),
        *_waits(found),
        *_durable(found),
        *_lasting(found),
    ]


def verdict(report: Report) -> str:
    """Return the text that ends a run."""
    lines = [
        f"{each.word:12}  {each.what}: {each.found} (needed: {each.needed})\n"
        for each in targets(report)
    ]
    for run in Findings(report).failures():
        lines.append(f"{'failed':12}  {run.workload} {run.contender}: {run.failed}\n")
    counts = [each.reached for each in targets(report)]
    failed = len(Findings(report).failures())
    return (
        f"\n{''.join(lines)}\n{counts.count(True)} targets reached, "
        f"{counts.count(False)} missed, {counts.count(None)} not measured; "
        f"{failed} of {len(report.runs)} measurements failed\n"
    )


def _target(
    what: str,
    needed: str,
    value: float | None,
    text: Callable[[float], str],
    reached: Callable[[float], bool],
) -> Target:
    if value is None:
        return Target(what, needed, "nothing", None)
    return Target(what, needed, text(value), reached(value))


def _least(what: str, value: float | None, least: float, unit: str) -> Target:
    """Judge what must not be less."""
    return _target(
        what,
        f">= {least:,g} {unit}",
        value,
        lambda v: f"{_number(v)} {unit}",
        lambda v: v >= least,
    )


def _most(what: str, value: float | None, most: float, unit: str) -> Target:
    """Judge what must not be more."""
    return _target(
        what,
        f"<= {most:,g} {unit}",
        value,
        lambda v: f"{_number(v)} {unit}",
        lambda v: v <= most,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= WHOLE else f"{value:.3g}"


def ratio(one: float | None, other: float | None) -> float | None:
    """Return how often the other goes into the one, None if that can't be told."""
    return one / other if one is not None and other else None


def _drains(found: Findings) -> Iterator[Target]:
    fastest = found.best(lambda name: found.median("noop", name, "rate"))
    leanest = found.best(lambda name: found.median("noop", name, "worker_us"), True)
    for name, times, rate in ((OURS, 3.0, 15_000), (BATCHED, 6.0, 35_000)):
        mine = found.median("noop", name, "rate")
        label = found.labels.get(name, name)
        than = f" than {found.labels[fastest[0]]}, the fastest peer" if fastest else ""
        much = ratio(mine, fastest[1] if fastest else None)
        yield _least(f"no-op, {label}: faster{than}", much, times, "times")
        yield _least(f"no-op, {label}", mine, rate, "events/s")
    cpu = found.median("noop", OURS, "worker_us")
    than = f" against {found.labels[leanest[0]]}, the leanest peer" if leanest else ""
    part = ratio(cpu, leanest[1] if leanest else None)
    yield _most(f"no-op: worker CPU per event{than}", part, 0.25, "times")
    yield _most("no-op: worker CPU per event", cpu, 55, "µs")
    server = found.median("noop", OURS, "server_us")
    yield _most("no-op: server CPU per event", server, 30, "µs")
    start = found.median("noop", OURS, "start")
    yield _most("start to the first event", start, 1, "s")
    share = ratio(
        found.median("io", OURS, "rate"), found.median("io", FLOOR_IO, "rate")
    )
    percent = None if share is None else 100 * share
    yield _least("10 ms of I/O, against bare threads", percent, 97, "%")


def _waits(found: Findings) -> Iterator[Target]:
    for part, name in ((0.5, "p50"), (0.99, "p99")):
        mine, bare = (
            found.percentile("latency", who, part) for who in (OURS, FLOOR_LATENCY)
        )
        what = f"idle latency, {name}"
        yield _most(f"{what}, against a bare read", ratio(mine, bare), 2, "times")
        best = found.best(_latency(found, part), least=True)
        if best is None or mine is None:
            yield Target(f"{what}, against all peers", "below", "nothing", None)
            continue
        needed = f"below {found.labels[best[0]]}'s {_number(best[1])} µs"
        told = f"{_number(mine)} µs"
        yield Target(f"{what}, against all peers", needed, told, mine < best[1])
    idle = found.median("latency", OURS, "idle_worker")
    percent = None if idle is None else 100 * idle
    yield _most("an idle worker, of a core", percent, 0.5, "%")


def _latency(found: Findings, part: float) -> Callable[[str], float | None]:
    return lambda name: found.percentile("latency", name, part)


def _durable(found: Findings) -> Iterator[Target]:
    ours = found.median("five", OURS, "rate")
    for peer, as_it_is in (("dbos", "as it opens SQLite"), ("dbos-wal", "with WAL")):
        much = ratio(ours, found.median("five", peer, "rate"))
        yield _least(f"five actions: faster than DBOS {as_it_is}", much, 50, "times")
    for side, most in (("worker", 100), ("server", 35)):
        five, none = (
            found.median(workload, OURS, f"{side}_us") for workload in ("five", "noop")
        )
        each = None if five is None or none is None else (five - none) / 5
        yield _most(f"one journaled action: {side} CPU added", each, most, "µs")
    replay = found.median("curve-journal", OURS, "replay_ms", JOURNAL)
    yield _most(f"replay of {JOURNAL:,} journal entries", replay, 20, "ms")


def _lasting(found: Findings) -> Iterator[Target]:
    runs = found.runs("recovery", OURS)
    slowest = [run.figures.get("seconds", float("inf")) for run in runs]
    what = "kill -9 of a worker: its events run again, slowest round"
    milliseconds = 1000 * max(slowest) if slowest else None
    yield _most(what, milliseconds, 500, "ms")
    for figure in ("lost", "doubled"):
        total = sum(run.figures[figure] for run in runs) if runs else None
        yield _most(f"kill -9 of a worker: {figure}", total, 0, "events")
    early, late = (
        found.median("curve-backlog", OURS, name, MILLION)
        for name in ("early", "resident")
    )
    growth = ratio(late, early)
    size = "" if late is None else f", now {late / MIB:.0f} MiB"
    what = f"memory after {MILLION:,} events, against after the first 100,000{size}"
    yield _most(what, growth, FLAT, "times")
