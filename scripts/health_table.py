"""Write the tables of health in docs/operations.rst from the rules; --check looks."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from workflow_worker.health import Status
from workflow_worker.health.judge import SERVICE_RULES, WORKERS_SAY
from workflow_worker.health.rules import WORKER_RULES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "operations.rst"
BEGIN = ".. The tables of health are written by scripts/health_table.py\n"
END = ".. End of what scripts/health_table.py writes\n"
WIDTH = 88

Row = tuple[Status, str, str]
"""A status, when it is said, and what to do then."""


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 if --check finds the page out of date."""
    page = PAGE.read_text("utf-8")
    fresh = written(page)
    if "--check" not in arguments:
        PAGE.write_text(fresh, "utf-8")
        return 0
    if fresh != page:
        print(f"{PAGE} is out of date: run python scripts/health_table.py")
    return int(fresh != page)


def written(page: str) -> str:
    """Return the page with the tables as the code has them."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    tables = _table("A worker is", _workers()) + _table("The service is", _service())
    return f"{before}{BEGIN}\n{tables}{END}{after}"


def _workers() -> Iterator[Row]:
    for rule in WORKER_RULES:
        yield rule.status, rule.when, rule.remedy
    yield Status.HEALTHY, "nothing of that applies", "nothing"


def _service() -> Iterator[Row]:
    for rule in SERVICE_RULES:
        yield rule.status, rule.when, rule.remedy
    yield *WORKERS_SAY, "see what its reasons say"
    yield Status.HEALTHY, "all its workers are", "nothing"


def _table(first: str, rows: Iterable[Row]) -> str:
    head = ".. list-table::\n   :header-rows: 1\n   :widths: 15 45 40\n\n"
    lines = [_row(first, "when", "what to do")]
    lines += [_row(status.value, when, remedy) for status, when, remedy in rows]
    return head + "".join(lines) + "\n"


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
