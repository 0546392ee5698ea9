"""The marks of one measurement, as the harness reads them.

While work runs only the file's size is looked at: reading it would take processor time
from what is measured.
"""

from __future__ import annotations

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
    """The file that marks are appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def count(self) -> int:
        """Return how many marks there are, of any kind."""
        return self.path.stat().st_size // RECORD.size

    def marks(self) -> Iterator[Mark]:
        """Read them all, in the order in which they were written."""
        data = self.path.read_bytes()
        whole = data[: len(data) // RECORD.size * RECORD.size]
        for number, ns, rest in RECORD.iter_unpack(whole):
            yield Mark(number, ns, rest >> 32, rest & 0xFFFFFFFF)

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
