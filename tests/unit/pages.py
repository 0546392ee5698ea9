"""Pages of metrics as workers have them, and what is read from them."""

from __future__ import annotations

from workflow_worker.metrics import values
from workflow_worker.metrics.book import Book
from workflow_worker.metrics.page import Page

ROOM = 2**16
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Slots:
    """Pages of some slots, each with one tenant after the other."""

    def __init__(self) -> None:
        self.memories = [memoryview(bytearray(ROOM)) for _ in range(3)]
        self.book = Book(self.memories)
        self.leave()  # what was counted before, by whatever ran in this process

    def tenant(self, number: int) -> None:
        """Be another worker from now on: one that remembers nothing."""
        values.CELLS.__init__()  # type: ignore[misc] # as in a fresh process
        values.keep_on(Page(self.memories[number]))

    def leave(self) -> None:
        """Be nobody: this process counts for none of them."""
        values.CELLS.__init__()  # type: ignore[misc]

    def samples(self, *living: int) -> Samples:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for metric in self.book.metrics(living)
            for sample in metric.samples
        }
