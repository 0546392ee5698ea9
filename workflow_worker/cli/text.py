"""Values as people read them: durations, sizes, counts, names, columns.

Owns the units and what is cut. Must not pass on characters that move a terminal's
cursor; names and values come from anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from workflow_worker.clock import timestamp

WIDEST = 40
"""Characters of a cell."""
SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

Row = tuple[str, ...]


def cut(text: str, most: int) -> str:
    """Return text of so many characters at most."""
    shown = plain(text)
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def plain(text: str) -> str:
    """Return text with everything escaped that is no printable character."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def aligned(rows: Iterable[Row]) -> list[str]:
    """Return rows as lines of columns as wide as their widest cell."""
    cells = list(rows)
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:{w}}" for cell, w in zip(row, wide, strict=True)).rstrip()
        for row in cells
    ]


def stamp(at: datetime) -> str:
    """Return a time in UTC to the millisecond."""
    return timestamp(round(at.timestamp() * SECOND_MS))


def numbered(count: int, one: str, many: str = "") -> str:
    """Return ``1 event`` or ``5 events``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def lasting(ms: float) -> str:
    """Return a duration in the unit that suits it, as it stands in a sentence."""
    size = abs(ms)
    for unit, length in (("d", DAY_MS), ("h", HOUR_MS), ("min", MINUTE_MS)):
        if size >= 2 * length:
            return f"{ms / length:.0f} {unit}"
    if size >= SECOND_MS:
        return f"{ms / SECOND_MS:.1f} s"
    return f"{round(ms, 3):.2g} ms" if size < 10 else f"{ms:.0f} ms"  # noqa: PLR2004 - two digits


def sized(count: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit, length in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count:.0f} bytes"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names in a row, the first of many."""
    found = sorted(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def span(ms: int) -> str:
    """Return a duration in two units, short and without a space: for columns."""
    if ms < MINUTE_MS:
        return f"{max(0, ms) / SECOND_MS:.1f}s"
    long, short = next(pair for pair in _UNITS if ms >= pair[0][0])
    return f"{ms // long[0]}{long[1]}{ms % long[0] // short[0]:02d}{short[1]}"


_UNITS = (
    ((DAY_MS, "d"), (HOUR_MS, "h")),
    ((HOUR_MS, "h"), (MINUTE_MS, "m")),
    ((MINUTE_MS, "m"), (SECOND_MS, "s")),
)
