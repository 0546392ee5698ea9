"""What a worker counts with: metrics of the table, by the values of their labels.

Owns how a row of the table becomes numbers on the page. Cheaper than prometheus_client
by taking what is counted in batches; one thread at a time may add to a number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from workflow_worker.metrics.page import Declared
from workflow_worker.metrics.table import BUCKETS, Kind, Row
from workflow_worker.metrics.values import CELLS, Cell


def counter(row: Row, *labels: str) -> Cell:
    """Return the number of a counter."""
    name = row.full_name
    return _cell(row, name.removesuffix("_total"), name, row.labels, labels)


class Durations:
    """A histogram of seconds.

    Args:
        row: the metric.
        labels: values of its labels.
    """

    __slots__ = ("_buckets", "_sum")

    def __init__(self, row: Row, *labels: str) -> None:
        name = row.full_name
        self._sum = _cell(row, name, f"{name}_sum", row.labels, labels)
        bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
        self._buckets = [
            _cell(row, name, f"{name}_bucket", (*row.labels, "le"), (*labels, bound))
            for bound in bounds
        ]

    def observe(self, seconds: Sequence[float]) -> None:
        """Note how long some things took."""
        found = Counter([bisect_left(BUCKETS, each) for each in seconds])
        for bucket, times in found.items():
            self._buckets[bucket].add(times)
        self._sum.add(sum(seconds))


def _cell(
    row: Row, family: str, name: str, names: tuple[str, ...], labels: tuple[str, ...]
) -> Cell:
    kind = Kind(row.kind).value
    return CELLS.cell(Declared(kind, "", family, name, names, row.meaning), labels)
