"""Draws a report: ``plots.py FOLDER`` reads its report.json and writes SVG beside it.

Runs in an environment of its own, the only one that has matplotlib.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from findings import MIB, Findings
from reports import read
from targets import OURS

STYLE = {
    "svg.hashsalt": "bench",  # the same report gives the same file
    "svg.fonttype": "none",  # text stays text
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
}
SHADE = 0.2
"""Of the band from the least to the greatest of the rounds."""
MINE, FLOOR, THEIRS = "#c2410c", "#a8a29e", "#57534e"
CURVES = {
    "curve-workers": "workers",
    "curve-batch": "BATCH_SIZE",
    "curve-payload": "payload, bytes",
    "curve-backlog": "backlog, events",
    "curve-journal": "actions in the journal",
}


def main(folder: Path) -> None:
    """Draw all plots of a folder's report."""
    found = Findings(read(folder / "report.json"))
    mpl.rcParams.update(STYLE)
    for name, (workload, draw) in PLOTS.items():
        if found.taking_part(workload):
            draw(found).savefig(folder / f"{name}.svg", metadata={"Date": None})


def throughput(found: Findings) -> Figure:
    """Draw rates of no-op events, and the processor time of each."""
    names = found.taking_part("noop")
    figure = _figure(0.5 + 0.35 * max(len(names), 4))
    rates, costs = figure.subplots(1, 2)
    _bars(
        rates, found, names, lambda name: found.median("noop", name, "rate"), "{:,.0f}"
    )
    rates.set_title("no-op events a second")
    places = range(len(names))
    for what, colour in (("worker", MINE), ("server", THEIRS)):
        times = [found.median("noop", name, f"{what}_us") for name in names]
        costs.plot(times, places, "o", color=colour, label=what)
    costs.set_yticks(places, [])
    costs.invert_yaxis()
    costs.set_xscale("log")
    costs.grid(axis="both", color="#e7e5e4")
    costs.legend(frameon=False, loc="upper right")
    costs.set_title("µs of processor time per event")
    return figure


def latency(found: Findings) -> Figure:
    """Draw the median and the 99th percentile from publish to start."""
    names = found.taking_part("latency")
    figure = _figure(0.5 + 0.35 * max(len(names), 4))
    sides = figure.subplots(1, 2)
    for axes, part in zip(sides, (0.5, 0.99), strict=True):

        def milliseconds(name: str, part: float = part) -> float | None:
            time = found.percentile("latency", name, part)
            return None if time is None else time / 1000

        _bars(axes, found, names, milliseconds, "{:.2f}")
        axes.set_xscale("log")
        axes.set_title(f"idle, publish to start: p{100 * part:.0f}, ms")
    sides[1].set_yticklabels([])
    return figure


def curves(found: Findings) -> Figure:
    """Draw what an event costs, and what the workers' memory is, along each curve."""
    figure = _figure(6)
    axes = list(figure.subplots(2, 3).flat)
    for each, (curve, title) in zip(axes, CURVES.items(), strict=False):
        if found.points(curve):
            _cost(each, found, curve, title)
    axes[0].legend(frameon=False)
    points = found.points("curve-backlog")
    sizes = [
        (found.median("curve-backlog", OURS, "resident", x) or 0) / MIB for x in points
    ]
    axes[-1].plot(points, sizes, "o-", color=MINE)
    axes[-1].set(xscale="log", xlabel="events drained", ylim=(0, None))
    axes[-1].set_title("MiB resident, the larger worker")
    return figure


def _figure(height: float) -> Figure:
    return Figure(figsize=(10, height), layout="constrained")


def _cost(axes: Axes, found: Findings, curve: str, title: str) -> None:
    points = found.points(curve)
    for figure, colour in (("worker_us", MINE), ("server_us", THEIRS)):
        costs = [found.median(curve, OURS, figure, x) for x in points]
        axes.plot(points, costs, "o-", color=colour, label=figure.split("_")[0])
        rounds = [found.values(curve, OURS, figure, x) or [math.nan] for x in points]
        least, most = [min(each) for each in rounds], [max(each) for each in rounds]
        axes.fill_between(points, least, most, color=colour, alpha=SHADE, linewidth=0)
    axes.set(xscale="log", xlabel=title, ylim=(0, None))
    axes.set_xticks(points, [f"{x:,}" for x in points])
    axes.minorticks_off()
    what = "action" if curve == "curve-journal" else "event"
    axes.set_title(f"µs of processor time per {what}")


def _bars(
    axes: Axes,
    found: Findings,
    names: Sequence[str],
    value: Callable[[str], float | None],
    text: str,
) -> None:
    known = [value(name) for name in names]
    places = range(len(names))
    bars = axes.barh(
        places, [each or 0 for each in known], color=_colours(found, names)
    )
    told = [text.format(each) if each else "not measured" for each in known]
    axes.bar_label(bars, told, padding=3)
    axes.set_yticks(places, [found.labels[name] for name in names])
    axes.invert_yaxis()
    axes.margins(x=0.15)


def _colours(found: Findings, names: Sequence[str]) -> list[str]:
    def colour(name: str) -> str:
        if name in found.ours:
            return MINE
        return THEIRS if name in found.peers else FLOOR

    return [colour(name) for name in names]


PLOTS = {
    "throughput": ("noop", throughput),
    "latency": ("latency", latency),
    "curves": ("curve-workers", curves),
}
"""Each plot and the workload it is of."""

if __name__ == "__main__":
    main(Path(sys.argv[1]))
