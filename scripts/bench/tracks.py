"""The marks of one measurement, as the harness reads them.

While work runs only the ends of the files are looked at: reading them would take
processor time from what is measured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from marks import DONE, RECORD

PAUSE = 0.005


class MeasurementError(Exception):
    """A measurement did not come to its end; says so in one sentence."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One record: what got where, when (monotonic nanoseconds), in which process."""

    number: int
    ns: int
    kind: int
    pid: int


class Track:
    """The files that marks are in, one of each process that made some."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._counted: dict[Path, int] = {}

    def count(self) -> int:
        """Return how many marks there are, of any kind."""
        for file in self._files():
            self._counted[file] = _count(file, self._counted.get(file, 0))
        return sum(self._counted.values())

    def marks(self) -> Iterator[Mark]:
        """Read them all, in the order in which they were made."""
        found: list[Mark] = []
        for file in self._files():
            # Not by their count: a thread that was killed has left its place empty.
            for number, rest, ns in _records(file):
                if ns:
                    found.append(Mark(number, ns, rest >> 32, rest & 0xFFFFFFFF))
        found.sort(key=lambda mark: mark.ns)
        return iter(found)

    def _files(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.name}.*"))

    def pids(self) -> set[int]:
        """Return the processes that have made marks."""
        return {int(file.suffix[1:]) for file in self._files()}

    def of(self, *kinds: int) -> list[Mark]:
        """Read those of these kinds."""
        return [mark for mark in self.marks() if mark.kind in kinds]

    def until(self, count: int, limit: float, alive: Callable[[], None]) -> int:
        """Wait for this many marks and return how many there are by then.

        Args:
            count: awaited.
            limit: seconds without a new mark after which it has failed.
            alive: raises if nothing more can come.

        Raises:
            MeasurementError: no mark came for that long.
        """
        seen, quiet_since = self.count(), time.monotonic()
        while seen < count:
            if time.monotonic() - quiet_since > limit:
                raise MeasurementError(
                    f"{seen} of {count} ran, then nothing for {limit:g} s"
                )
            alive()
            time.sleep(PAUSE)
            now = self.count()
            if now != seen:
                seen, quiet_since = now, time.monotonic()
        return seen


def _count(file: Path, known: int) -> int:
    """Return how many records a file has, looked for from where it was known to end."""
    with file.open("rb", buffering=0) as records:

        def is_there(place: int) -> bool:
            return any(os.pread(records.fileno(), 8, place * RECORD.size + 16))

        below, step = known, 1
        while is_there(below + step - 1):
            below, step = below + step, step * 2
        above = below + step - 1
        while below < above:
            middle = (below + above) // 2
            if is_there(middle):
                below = middle + 1
            else:
                above = middle
        return below


def _records(file: Path) -> Iterator[tuple[int, int, int]]:
    """Read what a file has up to its first page without any."""
    with file.open("rb") as records:
        while any(page := records.read(RECORD.size * 256)):
            yield from RECORD.iter_unpack(page)


def until(condition: Callable[[], bool], limit: float, pause: float = PAUSE) -> bool:
    """Wait for a condition; tell whether it came true within the limit, in seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def by_number(marks: Iterable[Mark]) -> dict[int, list[int]]:
    """Return the times of each number's marks, in nanoseconds."""
    found: dict[int, list[int]] = {}
    for mark in marks:
        found.setdefault(mark.number, []).append(mark.ns)
    return found


def doubled(marks: Iterable[Mark]) -> int:
    """Return how many numbers are done more than once."""
    times = by_number(mark for mark in marks if mark.kind == DONE)
    return sum(len(each) > 1 for each in times.values())
