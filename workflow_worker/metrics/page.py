"""A page: the figures of one worker's slot, in shared memory that outlives the worker.

Owns the form. A word says how many entries there are; then two doubles for each, its
value and when it was set; then their names, one behind the other, which only grow. An
entry is there once the first word counts it, and doubles are stored whole: whoever
dies while writing leaves nothing half done, and whoever reads waits for nobody.

Memory and not files: a file system that is full would kill each worker that touches a
new part of its file, and a file is something to clean up.

It must never move or forget an entry: its successor goes on counting in the same place.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

_WORD = 8
_SHARE = 64
"""Octets of the page for each entry it may have: two doubles, the rest for names."""
_LENGTH = struct.Struct("=H")


class Declared(NamedTuple):
    """What a sample belongs to.

    Attributes:
        kind: counter, gauge, histogram or summary.
        mode: of a gauge, how those of several workers are put together.
        family: name of the metric.
        name: of the sample: ``family``, or that with a suffix.
        labels: names of its labels.
        help: its meaning, for people.
    """

    kind: str
    mode: str
    family: str
    name: str
    labels: tuple[str, ...]
    help: str


class Series(NamedTuple):
    """One number that is kept: a sample, and the values of its labels."""

    declared: Declared
    values: tuple[str, ...]


@functools.lru_cache(2**14)
def _parsed(name: bytes) -> tuple[Any, ...]:
    # Most pages have the same names in the same places.
    return tuple(json.loads(name))


class Page:
    """One slot's page; only the worker that lives there may call :meth:`add`.

    Args:
        memory: the page; all zero where nothing was written yet.
    """

    def __init__(self, memory: memoryview) -> None:
        self.most = len(memory) // _SHARE
        self._ints = memory.cast("q")
        names_at = _WORD * (1 + 2 * self.most)
        self.floats = memory.cast("d")[1 : 1 + 2 * self.most]
        self._names = memory[names_at:]
        self._declared: dict[int, Declared] = {}
        """Entries that are no series, but what several have in common."""
        self._places: dict[Declared, int] = {}
        self._seen = 0
        self._end = 0
        """Where the name of the next entry begins."""

    @property
    def count(self) -> int:
        """How many entries there are."""
        return self._ints[0]

    def news(self) -> Iterator[tuple[int, Series]]:
        """Yield the entries that came since the last call, with their places."""
        for at in range(self._seen, self.count):
            (length,) = _LENGTH.unpack_from(self._names, self._end)
            begin = self._end + _LENGTH.size
            self._end = begin + length
            first, *rest = _parsed(bytes(self._names[begin : self._end]))
            self._seen = at + 1
            if isinstance(first, str):
                mode, family, name, labels, meaning = rest
                declared = Declared(first, mode, family, name, tuple(labels), meaning)
                self._declared[at] = declared
                self._places[declared] = at
            else:
                yield at, Series(self._declared[first], tuple(rest))

    def add(self, series: Series) -> int | None:
        """Make an entry of value 0 and return its place; None if there is no room."""
        declared = series.declared
        if declared not in self._places:
            at = self._append(declared)
            if at is None:
                return None
            self._places[declared] = at
        return self._append([self._places[declared], *series.values])

    def _append(self, content: object) -> int | None:
        # Escaped to ASCII, so whatever users have in a label comes back.
        name = json.dumps(content).encode()
        begin, at = self._end + _LENGTH.size, self.count
        end = begin + len(name)
        if at == self.most or end > len(self._names) or len(name) >> 8 * _LENGTH.size:
            return None
        _LENGTH.pack_into(self._names, self._end, len(name))
        self._names[begin:end] = name
        self.floats[2 * at] = self.floats[2 * at + 1] = 0.0
        # Last: from here on readers believe the rest.
        self._ints[0] = self._seen = at + 1
        self._end = end
        return at
