"""One frame of ``wfworker top``: the fleet cut to the size of a terminal.

Owns what is left out where there is no room, and the colours; each of them only repeats
a word that stands there.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from workflow_worker.cli.status_layout import (
    GAP,
    Laid,
    Table,
    cut,
    laid,
    shares,
)
from workflow_worker.cli.status_report import figures, headline, tables
from workflow_worker.clock import timestamp

if TYPE_CHECKING:
    from workflow_worker.client import Fleet

STYLES = {
    "healthy": "green",
    "degraded": "yellow",
    "unhealthy": "bold red",
    "lost": "bold red",
    "unknown": "yellow",
}
HEADING = "bold"
AWAY = "bold red"
KEYS = "q quits"


def frame(fleet: Fleet | None, place: str, away: str, width: int, height: int) -> Text:
    """Return a frame, no line of it longer and not more of them than given.

    Args:
        fleet: as it was seen last; None before it ever was.
        place: which Redis and namespace that is.
        away: why it can't be seen now, in one sentence; empty if it can.
        width: cells of a line.
        height: lines.
    """
    lines = [_title(f"{seen(fleet)}  {place}", width)]
    if away:
        said = f"{away}; below is what was seen last" if fleet else away
        lines += [Text(line, AWAY) for line in wrap(said, width)[:2]]
    if fleet is not None:
        lines += [Text(line) for line in wrap(headline(fleet, place), width)[:3]]
        lines += [Text(cut(line, width)) for line in figures(fleet.figures)]
        lines += _tables(tables(fleet), width, height - len(lines))
    return Text("\n", no_wrap=True, overflow="crop").join(lines[:height])


def seen(fleet: Fleet | None) -> str:
    """Return when that was, by the server's clock."""
    return timestamp(fleet.figures.server_ms) if fleet else "not seen yet"


def _title(title: str, width: int) -> Text:
    room = width - len(KEYS) - GAP
    return Text(f"{cut(title, room):{room}}  {KEYS}"[:width], HEADING)


def _tables(found: tuple[Table, ...], width: int, room: int) -> Iterator[Text]:
    """Give each table its share of the lines that are left, one above it empty."""
    wanted = [table.height + 1 if table.height else 0 for table in found]
    for table, lines in zip(found, shares(wanted, room), strict=True):
        if lines > 2:  # noqa: PLR2004 - an empty line, the headings, and a row
            yield Text()
            yield from _table(laid(table.first(lines - 1), width), width)


def _table(shown: Laid, width: int) -> Iterator[Text]:
    for number, cells in enumerate(shown.lines):
        line = Text(" " * GAP).join(
            Text(cell, STYLES.get(cell.strip(), "") if heading == "STATUS" else "")
            for heading, cell in zip(shown.headings, cells, strict=True)
        )
        line.truncate(width)
        if not number:
            line.stylize(HEADING)
        yield line
    if shown.more:
        yield Text(cut(shown.more, width))
