"""Tables that fit: which columns are shown, how wide, and what is cut.

Owns widths, counted in cells of a terminal. It must never know what is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from rich.cells import cell_len, set_cell_size

GAP = 2
"""Cells between two columns."""
CUT = "..."

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        heading: its name.
        rank: where there is no room for all, the highest goes first; 0 always stays.
        right: its cells stand to the right, as numbers do.
        least: cells to which it may be cut; 0 if it may not.
        ends: it is cut in its middle, for both its ends tell one from another.
    """

    heading: str
    rank: int = 0
    right: bool = False
    least: int = 0
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; a column without any is not shown.

    Attributes:
        columns: what stands in each row, in order.
        rows: free of characters that move a cursor.
        left_out: rows that there are beside these.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    left_out: int = 0

    @property
    def height(self) -> int:
        """Lines that it takes, with its headings."""
        return (1 + len(self.rows) + bool(self.left_out)) if self.rows else 0

    def first(self, height: int) -> Table:
        """Return as much of it as so many lines hold, at least one row."""
        if self.height <= height:
            return self
        kept = max(height - 2, 1)
        left_out = self.left_out + len(self.rows) - kept
        return Table(self.columns, self.rows[:kept], left_out)


@dataclass(frozen=True, slots=True)
class Laid:
    """A table as it is shown: padded cells, a row a line, the headings first.

    Attributes:
        headings: of the columns that are shown.
        lines: their cells.
        more: said below them; empty for nothing.
    """

    headings: Row
    lines: tuple[Row, ...]
    more: str = ""


def laid(table: Table, width: int | None) -> Laid:
    """Choose and pad the columns.

    Args:
        table: what is to be shown.
        width: cells of a line; None for as many as it takes.
    """
    if not table.rows:
        return Laid((), ())
    shown = [n for n in range(len(table.columns)) if any(row[n] for row in table.rows)]
    cells = {
        n: [table.columns[n].heading, *(row[n] for row in table.rows)] for n in shown
    }
    wide = {n: max(map(cell_len, cells[n])) for n in shown}
    if width is not None:
        shown, wide = _fitting(table.columns, shown, wide, width)
    columns = [
        [_padded(text, wide[n], table.columns[n]) for text in cells[n]] for n in shown
    ]
    lines = tuple(zip(*columns, strict=True))
    more = f"and {table.left_out} more" if table.left_out else ""
    return Laid(tuple(table.columns[n].heading for n in shown), lines, more)


def cut(text: str, width: int) -> str:
    """Return text of so many cells at most; an ellipsis says that there was more."""
    if cell_len(text) <= width:
        return text
    room = max(0, width - len(CUT))
    return f"{set_cell_size(text, room)}{CUT}"[: max(0, width)]


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """Divide lines fairly: nobody gets more than wanted, and nothing is left over.

    Args:
        wanted: lines that each would take.
        room: lines there are.
    """
    given = [0] * len(wanted)
    room = max(0, room)
    for _ in count():
        hungry = [n for n, lines in enumerate(wanted) if given[n] < lines]
        if not hungry or not room:
            return given
        for n in hungry[:room]:
            given[n] += 1
            room -= 1
    return given


def _fitting(
    columns: tuple[Column, ...], shown: list[int], wide: dict[int, int], width: int
) -> tuple[list[int], dict[int, int]]:
    """Leave out and narrow columns until the line fits."""

    def least(n: int) -> int:
        return min(wide[n], columns[n].least) if columns[n].least else wide[n]

    def needed() -> int:
        return sum(map(least, shown)) + GAP * (len(shown) - 1)

    while needed() > width and any(columns[n].rank for n in shown):
        last = max(shown, key=lambda n: columns[n].rank)
        shown = [n for n in shown if n != last]
    # Where even that is too much, everything is cut alike.
    kept = {n: least(n) if needed() <= width else 0 for n in shown}
    room = width - GAP * (len(shown) - 1) - sum(kept.values())
    extra = shares([wide[n] - kept[n] for n in shown], room)
    return shown, {n: kept[n] + more for n, more in zip(shown, extra, strict=True)}


def _padded(text: str, width: int, column: Column) -> str:
    text = _ends(text, width) if column.ends else cut(text, width)
    space = " " * (width - cell_len(text))
    return space + text if column.right else text + space


def _ends(text: str, width: int) -> str:
    """Return text cut in its middle."""
    room = width - len(CUT)
    if cell_len(text) <= width or room < len(CUT):
        return cut(text, width)
    first = set_cell_size(text, (room + 1) // 2)
    last = set_cell_size(text[::-1], room // 2)[::-1]
    return f"{first}{CUT}{last}"
