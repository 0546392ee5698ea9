"""All pages, added up: what workers of this service counted, the dead ones included.

Owns how the numbers of several workers become one: counters and histograms are added
up, gauges as their mode says, as prometheus_client does it. Names are read once; after
that a page costs one copy of its numbers, so a scrape stays cheap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric

from workflow_worker.metrics.page import Declared, Page, Series

Labels = tuple[tuple[str, str], ...]
Moment = tuple[float, float]
"""A gauge of one worker, and when it was set, where that counts."""

_TOGETHER: dict[str, Callable[[Iterable[Moment]], float]] = {
    "min": lambda found: min(value for value, _ in found),
    "max": lambda found: max(value for value, _ in found),
    "sum": lambda found: sum(value for value, _ in found),
    "mostrecent": lambda found: max(found, key=lambda moment: moment[1])[0],
}
"""How gauges of several workers become one, by mode; in any other each is shown."""


@dataclass(slots=True)
class _Family:
    """One metric: its samples by name and labels, each with its place in the sums."""

    declared: Declared
    samples: dict[tuple[str, Labels], int] = field(default_factory=dict)
    gauges: dict[tuple[str, Labels], list[tuple[int, int]]] = field(
        default_factory=dict
    )
    """Of each gauge: on which pages it is, and where."""


class Book:
    """Reads the pages of all slots.

    Args:
        memories: the page of each slot.
    """

    def __init__(self, memories: Iterable[memoryview]) -> None:
        self._pages = [Page(memory) for memory in memories]
        self._sums_at: list[list[int]] = [[] for _ in self._pages]
        """For each page, which sum each of its entries belongs to; 0 for none."""
        self._families: dict[str, _Family] = {}
        self._count = 1

    def metrics(self, living: Collection[int]) -> Iterator[Metric]:
        """Yield what was counted so far.

        Args:
            living: slots where a worker lives: gauges of a ``live`` mode are theirs.
        """
        values = [self._read(number) for number in range(len(self._pages))]
        sums = [0.0] * self._count
        for places, found in zip(self._sums_at, values, strict=True):
            for place, value in zip(places, found[::2], strict=True):
                sums[place] += value
        for family in self._families.values():
            yield _metric(family, sums, values, living)

    def _read(self, number: int) -> Sequence[float]:
        """Return all numbers of a page, and learn the names that are new."""
        page, places = self._pages[number], self._sums_at[number]
        if page.count > len(places):
            for at, series in page.news():
                places += [0] * (at - len(places))
                places.append(self._place(number, at, series))
        return page.floats[: 2 * len(places)].tolist()

    def _place(self, number: int, at: int, series: Series) -> int:
        declared = series.declared
        family = self._families.setdefault(declared.family, _Family(declared))
        labels = tuple(zip(declared.labels, series.values, strict=True))
        sample = declared.name, labels
        if declared.kind != family.declared.kind:
            return 0  # the code was changed, and the name kept: the first one stands
        if declared.kind == "gauge":
            family.gauges.setdefault(sample, []).append((number, at))
            return 0
        place = family.samples.setdefault(sample, self._count)
        self._count = max(self._count, place + 1)
        return place


def _metric(
    family: _Family,
    sums: Sequence[float],
    values: Sequence[Sequence[float]],
    living: Collection[int],
) -> Metric:
    declared = family.declared
    metric = Metric(declared.family, declared.help, declared.kind)
    if declared.kind == "gauge":
        for (name, labels), places in family.gauges.items():
            for more, value in _gauge(declared.mode, places, values, living):
                metric.add_sample(name, dict(labels + more), value)
    elif declared.kind == "histogram":
        _add_histogram(metric, family, sums)
    else:
        for (name, labels), place in family.samples.items():
            metric.add_sample(name, dict(labels), sums[place])
    return metric


def _gauge(
    mode: str,
    places: Iterable[tuple[int, int]],
    values: Sequence[Sequence[float]],
    living: Collection[int],
) -> Iterator[tuple[Labels, float]]:
    alive = mode.startswith("live")
    found = {
        number: (values[number][2 * at], values[number][2 * at + 1])
        for number, at in places
        if number in living or not alive
    }
    together = _TOGETHER.get(mode.removeprefix("live"))
    if together is None:
        for number, (value, _) in found.items():
            yield (("pid", str(number)),), value
    elif found:
        yield (), together(found.values())


def _add_histogram(metric: Metric, family: _Family, sums: Sequence[float]) -> None:
    """Add the samples of a histogram: each bucket with all below it, count and sum."""
    buckets: dict[Labels, list[tuple[float, str, float]]] = {}
    for (name, labels), place in family.samples.items():
        *others, (last, bound) = labels or (("", ""),)
        if last == "le" and name.endswith("_bucket"):
            bucket = math.inf if bound == "+Inf" else float(bound), bound, sums[place]
            buckets.setdefault(tuple(others), []).append(bucket)
    for (name, labels), place in family.samples.items():
        if not name.endswith("_sum"):
            continue
        total = 0.0
        for _, bound, times in sorted(buckets.get(labels, ())):
            total += times
            metric.add_sample(
                f"{metric.name}_bucket", dict((*labels, ("le", bound))), total
            )
        metric.add_sample(f"{metric.name}_count", dict(labels), total)
        metric.add_sample(name, dict(labels), sums[place])
