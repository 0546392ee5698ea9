"""The report as tables in RST. Pure: the same report always gives the same text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import anatomy
from findings import MIB, Findings
from reports import Report
from rst import Cells, filled, image, table, titled
from targets import BATCHED, FLOOR_IO, OURS, ratio, targets

NONE = "—"
SPREAD_ROUNDS = 2
"""From so many rounds on, a spread says something."""
LARGE = 100_000
"""The smallest backlog after which memory is told."""
THOUSANDTH = 1_000
"""The fewest times of which a thousandth is one."""
COSTS = "worker µs", "server µs", "round trips", "commands"
"""Heads of what ``_costs`` tells of an event."""


def performance(report: Report) -> str:
    """Return the block of docs/performance.rst."""
    found = Findings(report)
    parts = (
        _machine(report),
        _verdict(report),
        _image(found, "throughput", "noop"),
        titled("No-op events", _noop(found)),
        titled("10 ms of blocking I/O", _io(found)),
        titled("5 ms of computing", _cpu(found)),
        _image(found, "latency", "latency"),
        titled("From publish to start, 20 events a second", _latency(found)),
        titled("Five journaled actions", _five(found)),
        titled("Where a worker's time goes, µs", anatomy.threads(found, _digits)),
        titled("Where the server's time goes, µs", anatomy.commands(found, _digits)),
        titled("Waiting, and a signal", _roundtrip(found)),
        titled("A worker is killed", _recovery(found)),
        titled("Memory of a worker", _memory(found)),
        _image(found, "curves", "curve-workers"),
        *_curves(found),
        titled("How each was set up", _settings(report)),
    )
    return "\n".join(part for part in parts if part)


def headline(report: Report) -> str:
    """Return the block of the README."""
    found = Findings(report)
    head = "what", "workflow-worker", "best peer"
    rate, five = _rate("noop", found), _rate("five", found)
    middle, slow = _time(found, 0.5), _time(found, 0.99)
    rows = [
        _against(found, "no-op events a second", rate, _thousands),
        _against(found, "publish to start, p50", middle, _ms, least=True),
        _against(found, "publish to start, p99", slow, _ms, least=True),
        _against(
            found, "executions of five journaled actions a second", five, _thousands
        ),
        _against(found, "killed worker's events again", found.again, _s, least=True),
    ]
    batched = found.median("noop", BATCHED, "rate")
    rows.insert(1, ("the same, ``BATCH_SIZE=100``", _shown(batched, _thousands), NONE))
    about = report.machine
    where = f"{about['processor']}, {about['cores']} cores, {about['server']}"
    told = filled(f"{where}; {report.when}.")
    return f"{table((40, 25, 35), head, rows)}\n{told}"


# --- parts ------------------------------------------------------------------------


def _machine(report: Report) -> str:
    about = report.machine
    return filled(
        f"Measured on {report.when} in {report.minutes:g} minutes: "
        f"{about['processor']}, {about['cores']} cores, {about['memory_gib']:g} GiB, "
        f"{about['kernel']}; {about['server']}, append-only file synced every second; "
        f"Python {about['python']}, redis-py {about['redis_py']}, hiredis "
        f"{about['hiredis']}. Each figure is the median of the rounds; rates and "
        "processor times have the least and the greatest in parentheses where there "
        "were several. Percentiles are of the events of all rounds together."
    )


def _verdict(report: Report) -> str:
    rows = [(each.what, each.needed, each.found, each.word) for each in targets(report)]
    return titled(
        "Targets",
        table((45, 25, 15, 15), ("target", "needed", "measured", "verdict"), rows),
    )


def _noop(found: Findings) -> str:
    head = "", "events/s", *COSTS, "first event after"
    return _of("noop", found, head, (22, 18, 16, 16, 9, 10, 9), _noop_row)


def _noop_row(found: Findings, name: str) -> Cells:
    return (
        _spread(found, "noop", name, "rate", _thousands),
        *_costs(found, "noop", name),
        _shown(found.median("noop", name, "start"), _s),
    )


def _costs(found: Findings, workload: str, name: str, x: int | None = None) -> Cells:
    times = [
        _spread(found, workload, name, figure, _digits, x)
        for figure in ("worker_us", "server_us")
    ]
    counts = [
        _shown(found.median(workload, name, figure, x), _digits)
        for figure in ("reads", "commands")
    ]
    return *times, *counts


def _io(found: Findings) -> str:
    def row(found: Findings, name: str) -> Cells:
        bare = found.median("io", FLOOR_IO, "rate")
        share = ratio(found.median("io", name, "rate"), bare)
        return (
            _spread(found, "io", name, "rate", _thousands),
            _shown(share, lambda value: f"{value:.1%}"),
            *_costs(found, "io", name),
        )

    head = "", "events/s", "of bare threads", *COSTS
    return _of("io", found, head, (22, 17, 10, 16, 16, 9, 10), row)


def _cpu(found: Findings) -> str:
    def row(found: Findings, name: str) -> Cells:
        rate = _spread(found, "cpu", name, "rate", _thousands)
        return rate, *_costs(found, "cpu", name)

    head = "", "events/s", *COSTS
    return _of("cpu", found, head, (27, 20, 17, 17, 9, 10), row)


def _latency(found: Findings) -> str:
    def row(found: Findings, name: str) -> Cells:
        count = len(found.times("latency", name))
        idle = found.median("latency", name, "idle_family")
        return (
            *_percentiles(found, "latency", name),
            f"{count:,}",
            _shown(idle, lambda value: f"{value:.2%}"),
        )

    head = "", "p50 ms", "p99 ms", "p99.9 ms", "slowest ms", "events", "idle, of a core"
    widths = 30, 12, 12, 12, 12, 10, 12
    return _of("latency", found, head, widths, row)


def _percentiles(found: Findings, workload: str, name: str) -> Cells:
    times = found.times(workload, name)
    parts = [
        _shown(found.percentile(workload, name, part), _milli)
        for part in (0.5, 0.99, 0.999, 1.0)
    ]
    if len(times) < THOUSANDTH:
        parts[2] = NONE
    return tuple(parts)


def _five(found: Findings) -> str:
    def row(found: Findings, name: str) -> Cells:
        return (
            _spread(found, "five", name, "rate", _thousands),
            *_costs(found, "five", name),
        )

    head = "", "executions/s", *COSTS
    return _of("five", found, head, (27, 20, 17, 17, 9, 10), row)


def _roundtrip(found: Findings) -> str:
    def row(found: Findings, name: str) -> Cells:
        p50, p99, _, slowest = _percentiles(found, "roundtrip", name)
        rate = _spread(found, "roundtrip", name, "rate", _thousands)
        return p50, p99, slowest, rate, *_costs(found, "roundtrip", name)

    head = "", "p50 ms", "p99 ms", "slowest ms", "signals/s", *COSTS
    return _of("roundtrip", found, head, (16, 9, 9, 9, 15, 14, 14, 7, 7), row)


def _recovery(found: Findings) -> str:
    def row(found: Findings, name: str) -> Cells:
        runs = found.runs("recovery", name)
        if not runs:
            return (NONE,) * 4
        total = [
            f"{sum(run.figures[figure] for run in runs):.0f}"
            for figure in ("killed", "lost", "doubled")
        ]
        seconds = found.again(name)
        never = f"not within {max(run.figures['watched'] for run in runs):g} s"
        return never if seconds is None else _s(seconds), *total

    head = "", "all run again after", "begun, killed", "of them lost", "others twice"
    return _of("recovery", found, head, (40, 18, 14, 14, 14), row)


def _memory(found: Findings) -> str:
    idle, drained = found.taking_part("latency"), found.taking_part("noop")
    rows = []
    for name in found.labels:
        if name in idle or name in drained:
            rows += [(found.labels[name], *cells) for cells in _sizes(found, name)]
    head = (
        "",
        "idle MiB",
        "events drained",
        "early on MiB",
        "after them MiB",
        "all processes, idle MiB",
    )
    return table((30, 14, 14, 14, 14, 14), head, rows) if rows else ""


def _sizes(found: Findings, name: str) -> Iterator[Cells]:
    """Tell what a worker is idle and in the drain of no-ops, then in large backlogs."""
    one, all_ = (
        _shown(found.median("latency", name, figure), _mib)
        for figure in ("resident", "family")
    )
    yield one, *_drained(found, "noop", name), all_
    for x in found.points("curve-backlog") if name == OURS else ():
        if x >= LARGE:
            yield NONE, *_drained(found, "curve-backlog", name, x), NONE


def _drained(found: Findings, workload: str, name: str, x: int | None = None) -> Cells:
    return (
        _shown(found.median(workload, name, "events", x), _thousands),
        _shown(found.median(workload, name, "early", x), _mib),
        _shown(found.median(workload, name, "resident", x), _mib),
    )


CURVES = (
    ("curve-workers", "Workers", "workers"),
    ("curve-batch", "Batches", "``BATCH_SIZE``"),
    ("curve-payload", "Payloads", "payload, bytes"),
    ("curve-backlog", "Backlogs", "backlog, events"),
)


def _curves(found: Findings) -> Iterator[str]:
    for curve, title, first in CURVES:
        rows = [
            (
                f"{x:,}",
                _spread(found, curve, OURS, "rate", _thousands, x),
                *_costs(found, curve, OURS, x),
            )
            for x in found.points(curve)
        ]
        head = first, "events/s", *COSTS
        if rows:
            yield titled(title, table((16, 24, 20, 20, 10, 10), head, rows))
    if found.points("curve-journal"):
        yield titled("Journals", _journals(found))


def _journals(found: Findings) -> str:
    head = (
        "actions",
        "worker µs each",
        "server µs each",
        "replay ms",
        "signal to end ms",
    )
    points = found.points("curve-journal")
    rows = [(f"{x:,}", *_journal(found, x)) for x in points]
    return table((20, 20, 20, 20, 20), head, rows)


def _journal(found: Findings, x: int) -> Cells:
    figures = "worker_us", "server_us", "replay_ms", "wake_ms"
    return tuple(
        _spread(found, "curve-journal", OURS, figure, _digits, x) for figure in figures
    )


def _settings(report: Report) -> str:
    rows = []
    for each in report.contenders.values():
        versions = ", ".join(each["requirements"]) or "this checkout"
        told = f"{each['setting']} {each['promise']}".strip()
        page = f" `Its docs <{each['url']}>`__." if each["url"] else ""
        rows.append((each["label"], versions, told + page))
    return table((20, 20, 60), ("", "versions", "set-up, and after a kill -9"), rows)


def _image(found: Findings, name: str, workload: str) -> str:
    return image(f"bench/{name}.svg") if found.taking_part(workload) else ""


def _of(
    workload: str,
    found: Findings,
    head: Cells,
    widths: tuple[int, ...],
    row: Callable[[Findings, str], Cells],
) -> str:
    names = found.taking_part(workload)
    rows = [(found.labels[name], *row(found, name)) for name in names]
    return table(widths, head, rows) if rows else ""


# --- figures as text --------------------------------------------------------------


def _rate(workload: str, found: Findings) -> Callable[[str], float | None]:
    return lambda name: found.median(workload, name, "rate")


def _time(found: Findings, part: float) -> Callable[[str], float | None]:
    return lambda name: found.percentile("latency", name, part)


def _against(
    found: Findings,
    what: str,
    figure: Callable[[str], float | None],
    text: Callable[[float], str],
    least: bool = False,
) -> Cells:
    best = found.best(figure, least)
    other = f"{text(best[1])} ({found.labels[best[0]]})" if best else NONE
    return what, _shown(figure(OURS), text), other


def _shown(value: float | None, text: Callable[[float], str]) -> str:
    return NONE if value is None else text(value)


def _spread(
    found: Findings,
    workload: str,
    name: str,
    figure: str,
    text: Callable[[float], str],
    x: int | None = None,
) -> str:
    values = found.values(workload, name, figure, x)
    middle = _shown(found.median(workload, name, figure, x), text)
    if len(values) < SPREAD_ROUNDS:
        return middle
    return f"{middle} ({text(min(values))} to {text(max(values))})"


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= THOUSANDTH else f"{value:.3g}"


def _milli(value: float) -> str:
    return f"{value / 1000:,.2f}"


def _ms(value: float) -> str:
    return f"{value / 1000:,.2f} ms"


def _s(value: float) -> str:
    return f"{value:.2f} s"


def _mib(value: float) -> str:
    return f"{value / MIB:.1f}"
