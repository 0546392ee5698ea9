"""RST as the docs of this project have it: titles, paragraphs, list-tables. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

WIDTH = 88
Cells = tuple[str, ...]


def titled(title: str, body: str) -> str:
    """Return a body below its title, nothing if there is none."""
    return f"**{title}**\n\n{body}" if body else ""


def filled(text: str) -> str:
    """Return a paragraph."""
    return textwrap.fill(text, WIDTH, break_long_words=False) + "\n"


def image(path: str) -> str:
    """Return an image as wide as the page."""
    return f".. image:: {path}\n   :width: 100%\n"


def table(widths: tuple[int, ...], head: Cells, rows: Iterable[Cells]) -> str:
    """Return a list-table."""
    wide = " ".join(map(str, widths))
    lines = "".join(_row(cells) for cells in (head, *rows))
    return f".. list-table::\n   :header-rows: 1\n   :widths: {wide}\n\n{lines}"


def _row(cells: Cells) -> str:
    marks = ["   * - "] + ["     - "] * (len(cells) - 1)
    lines = []
    for mark, cell in zip(marks, cells, strict=True):
        text = textwrap.fill(
            cell,
            WIDTH,
            initial_indent=mark,
            subsequent_indent=" " * len(mark),
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines.append(f"{text or mark.rstrip()}\n")
    return "".join(lines)
