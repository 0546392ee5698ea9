"""Where the numbers of this process's metrics are: its page, or nowhere shared.

Owns the one seam to prometheus_client: its metrics ask ``values.ValueClass`` for each
number they keep. Once :func:`install` has put :class:`Value` there, users' own metrics
count on the page beside ours, and survive the worker.

A worker that starts goes on with what the page holds, gauges of a ``live`` mode
excepted. A child that user code forks counts for itself alone, for a page has one
writer.
"""

from __future__ import annotations

import logging
import os
import threading
from array import array

from prometheus_client import values

from workflow_worker.metrics.page import Declared, Page, Series

log = logging.getLogger(__name__)


class Cell:
    """A number and when it was set, side by side.

    Attributes:
        floats: where they are; doubles.
        at: place of the number in there.
    """

    __slots__ = ("at", "floats")

    def __init__(self) -> None:
        self.alone()

    def alone(self) -> None:
        """Be nowhere shared, and 0."""
        self.floats: memoryview[float] | array[float] = array("d", (0.0, 0.0))
        self.at = 0

    def add(self, amount: float) -> None:
        """Add to it; one thread at a time."""
        self.floats[self.at] += amount


class Cells:
    """Every number of this process, by its name."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Guards the tables, and every number that several threads write."""
        self._cells: dict[Series, Cell] = {}
        self._places: dict[Series, int] = {}
        self._page: Page | None = None
        self._full = False

    def occupy(self, page: Page) -> None:
        """Keep everything on this page from now on, beginning with what it holds."""
        with self.lock:
            self._page, self._full = page, False
            self._places = {series: at for at, series in page.news()}
            for series, at in self._places.items():
                if series.declared.mode.startswith("live"):
                    page.floats[2 * at] = 0.0
            for series, cell in self._cells.items():
                self._settle(series, cell)

    def leave(self) -> None:
        """Keep everything in this process, beginning with 0; in a forked child.

        The lock is replaced: a thread that is not here any more may have held it.
        """
        self.lock = threading.Lock()
        self._page = None
        for cell in self._cells.values():
            cell.alone()

    def cell(self, declared: Declared, labels: tuple[str, ...]) -> Cell:
        """Return where a number is."""
        # What can't be sent to Prometheus must not stand on the page.
        whole = tuple(text.encode("utf-8", "replace").decode() for text in labels)
        series = Series(declared, whole)
        with self.lock:
            cell = self._cells.get(series)
            if cell is None:
                cell = self._cells[series] = Cell()
                self._settle(series, cell)
        return cell

    def _settle(self, series: Series, cell: Cell) -> None:
        if self._page is None:
            return
        at = self._places.get(series)
        if at is None:
            at = self._page.add(series)
            if at is None:
                self._overflow(series)
                return
            self._places[series] = at
        cell.floats, cell.at = self._page.floats, 2 * at

    def _overflow(self, series: Series) -> None:
        if not self._full:
            log.warning(
                "no room for more metrics than %d: %s, and what else is new, is not "
                "shown; do its labels have too many values?",
                len(self._places),
                series.declared.family,
            )
        self._full = True


CELLS = Cells()
"""Of this process: prometheus_client's metrics are global, too."""


class Value:
    """What prometheus_client's metrics keep one number in; see its ``values.py``."""

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: tuple[str, ...],
        labelvalues: tuple[str, ...],
        help_text: str,
        *,
        multiprocess_mode: str = "",
        **_: object,
    ) -> None:
        declared = Declared(
            typ, multiprocess_mode, metric_name, name, tuple(labelnames), help_text
        )
        self._cell = CELLS.cell(declared, tuple(labelvalues))

    def inc(self, amount: float) -> None:
        """Add to it."""
        with CELLS.lock:
            self._cell.add(amount)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace it; the time, in seconds, decides which worker's is shown."""
        with CELLS.lock:
            cell = self._cell
            cell.floats[cell.at] = value
            cell.floats[cell.at + 1] = timestamp or 0.0

    def get(self) -> float:
        """Return it."""
        return self._cell.floats[self._cell.at]

    def set_exemplar(self, exemplar: object) -> None:
        """Keep none: the format that is served has no place for them."""

    def get_exemplar(self) -> None:
        """Return none."""


def install() -> None:
    """Have metrics that are made from now on keep their numbers here."""
    if values.ValueClass is not Value:
        values.ValueClass = Value
        os.register_at_fork(after_in_child=CELLS.leave)


def keep_on(page: Page) -> None:
    """Have all metrics of this process keep their numbers on a page."""
    install()
    CELLS.occupy(page)
