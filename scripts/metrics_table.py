"""Write docs/operations.rst's table of metrics from the code; --check only looks."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from workflow_worker.metrics.table import TABLE, Row

PAGE = Path(__file__).resolve().parent.parent / "docs" / "operations.rst"
BEGIN = ".. The table of metrics is written by scripts/metrics_table.py\n"
END = ".. End of what scripts/metrics_table.py writes\n"
WIDTH = 88


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 if --check finds the page out of date."""
    page = PAGE.read_text("utf-8")
    fresh = written(page)
    if "--check" not in arguments:
        PAGE.write_text(fresh, "utf-8")
        return 0
    if fresh != page:
        print(f"{PAGE} is out of date: run python scripts/metrics_table.py")
    return int(fresh != page)


def written(page: str) -> str:
    """Return the page with the table as the code has it."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{''.join(_table())}\n{END}{after}"


def _table() -> Iterator[str]:
    yield ".. list-table::\n   :header-rows: 1\n   :widths: 35 35 30\n\n"
    yield _row("metric and labels", "meaning", "when to worry")
    for row in TABLE:
        yield _row(f"``{_shown(row)}`` ({row.kind})", row.meaning, row.worry)


def _shown(row: Row) -> str:
    labels = f"{{{','.join(row.labels)}}}" if row.labels else ""
    return row.full_name + labels


def _row(*cells: str) -> str:
    marks = ["   * - "] + ["     - "] * (len(cells) - 1)
    return "".join(
        textwrap.fill(
            cell,
            WIDTH,
            initial_indent=mark,
            subsequent_indent=" " * len(mark),
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
        for mark, cell in zip(marks, cells, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
