"""What Prometheus scrapes: what workers counted, and what the monitor sees.

Owns the figures that no worker could keep: of the board, of processes, of Redis. All of
it is at hand when a scrape comes; none waits for a worker or for Redis.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

import psutil
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from workflow_worker.board import Board, Restart, SlotView
from workflow_worker.health import Status, judge
from workflow_worker.metrics import table
from workflow_worker.metrics.book import Book
from workflow_worker.metrics.table import Row
from workflow_worker.monitor.sampler import Sampler
from workflow_worker.settings import Settings


class Exposition(Collector):
    """The text that is served at ``/metrics``.

    Args:
        settings: hang timeout.
        board: what workers show, and the pages on which they count.
        sampler: knows what Redis counts.
        now: the monotonic clock.
    """

    def __init__(
        self,
        settings: Settings,
        board: Board,
        sampler: Sampler,
        now: Callable[[], float],
    ) -> None:
        self._hang_timeout_ms = settings.hang_timeout_ms
        self._board = board
        self._sampler = sampler
        self._now = now
        self._book = Book(slot.metrics for slot in board.slots)
        self._cpu: dict[int, float] = {}
        """The most that was seen of each slot."""
        self._scraping = threading.Lock()
        """Guards the book, and what is remembered between scrapes."""

    def __call__(self) -> bytes:
        """Return the text, in the format 0.0.4."""
        with self._scraping:
            return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        views = [slot.view() for slot in self._board.slots if slot.used]
        living = {view.index: view for view in views if view.pid}
        yield from self._book.metrics(living)
        yield from self._of_service()
        yield from self._of_workers(views, living)
        yield from self._of_redis()

    def _of_service(self) -> Iterator[Metric]:
        board, service = self._board, self._board.service()
        views = board.views()
        health = judge(views, service, self._now(), self._hang_timeout_ms)
        restarts = {
            cause.name.lower(): times
            for cause, times in service.replaced.items()
            if cause is not Restart.NONE
        }
        yield _metric(table.RESTARTS, restarts)
        counts = {status.value: health.count(status) for status in Status}
        yield _metric(table.WORKERS, counts)
        yield _metric(table.ACTIVE_EVENTS, sum(view.active for view in views))

    def _of_workers(
        self, views: list[SlotView], living: Mapping[int, SlotView]
    ) -> Iterator[Metric]:
        now = self._now()
        memory: dict[str, float] = {}
        for view in views:
            taken = view.cpu_seconds
            try:
                if view.pid:
                    process = psutil.Process(view.pid)
                    with process.oneshot():
                        times = process.cpu_times()
                        taken += times.user + times.system
                        memory[str(view.index)] = process.memory_info().rss
            except psutil.Error:
                # It has just died: until the master has added up what it took, the
                # last figure stands.
                pass
            self._cpu[view.index] = max(taken, self._cpu.get(view.index, 0.0))
        seconds = {str(index): taken for index, taken in self._cpu.items()}
        yield _metric(table.CPU, seconds)
        yield _metric(table.MEMORY, memory)
        ages = {
            str(index): max(0.0, now - view.heartbeat) for index, view in living.items()
        }
        yield _metric(table.HEARTBEAT_AGE, ages)

    def _of_redis(self) -> Iterator[Metric]:
        found = self._sampler.latest()
        if found is not None:
            yield _metric(table.BACKLOG, found.backlog)
            yield _metric(table.PENDING, found.pending)
            yield _metric(table.TIMERS, found.timers)
            yield _metric(table.DEAD_LETTERS_STORED, found.dead_letters)
        if self._sampler.knows:
            yield _metric(table.REDIS_UP, found is not None)


def _metric(row: Row, value: float | Mapping[str, float]) -> Metric:
    """Return a metric without labels, or with one."""
    family = row.full_name.removesuffix("_total")
    metric = Metric(family, row.meaning, row.kind.value)
    values = value if isinstance(value, Mapping) else {"": value}
    for label, each in values.items():
        metric.add_sample(row.full_name, dict.fromkeys(row.labels, label), float(each))
    return metric
