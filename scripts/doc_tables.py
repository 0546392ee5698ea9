"""Write the tables in docs/ that the code knows better; --check only looks."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workflow_worker.errors import ErrorCategory
from workflow_worker.health import Status
from workflow_worker.health.judge import SERVICE_RULES, WORKERS_SAY
from workflow_worker.health.rules import WORKER_RULES
from workflow_worker.metrics.table import TABLE as METRICS
from workflow_worker.runtime import error_rules

DOCS = Path(__file__).resolve().parent.parent / "docs"
WIDTH = 88

Cells = tuple[str, ...]
Rows = Iterable[Cells]


@dataclass(frozen=True)
class Part:
    """What is written into a page, between two marks.

    Attributes:
        page: its file.
        name: of the part, in the marks.
        build: makes it.
    """

    page: Path
    name: str
    build: Callable[[], Iterable[str]]

    @property
    def begin(self) -> str:
        """The mark before it."""
        return f".. {self.name}: written by scripts/doc_tables.py\n"

    @property
    def end(self) -> str:
        """The mark after it."""
        return f".. {self.name}: end of what is written\n"

    def written(self, page: str) -> str:
        """Return the page with this part as the code has it."""
        before, rest = page.split(self.begin)
        after = rest.split(self.end)[1]
        return f"{before}{self.begin}\n{''.join(self.build())}{self.end}{after}"


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 if --check finds a page out of date."""
    stale = False
    for path in sorted({part.page for part in PARTS}):
        page = path.read_text("utf-8")
        fresh = written(path, page)
        if "--check" not in arguments:
            path.write_text(fresh, "utf-8")
        elif fresh != page:
            print(f"{path} is out of date: run python scripts/doc_tables.py")
            stale = True
    return int(stale)


def written(path: Path, page: str) -> str:
    """Return a page with all its parts as the code has them."""
    for part in PARTS:
        if part.page == path:
            page = part.written(page)
    return page


# --- errors -----------------------------------------------------------------------


def _errors() -> Iterator[str]:
    yield _errors_by("By HTTP status", "status", _statuses())
    yield _errors_by("By SQLSTATE", "begins with", _sqlstates())
    yield _errors_by("By a database's own number", "error", _numbers())
    for title, rules in error_rules.TABLE:
        rows = ((_names(rule.names), rule.category, rule.reason) for rule in rules)
        yield _errors_by(title, "class", rows)


def _errors_by(title: str, first: str, rows: Rows) -> str:
    table = _table((55, 15, 30), (first, "category", "reason"), rows)
    return f"**{title}**\n\n{table}"


def _statuses() -> Iterator[Cells]:
    heal = error_rules.HTTP_RECOVERABLE
    stay = error_rules.HTTP_PERMANENT
    recoverable, permanent = ErrorCategory.RECOVERABLE, ErrorCategory.PERMANENT
    yield _numbered(heal), recoverable, "too early, too late or too often"
    yield "400 to 499 otherwise", permanent, "the request is refused"
    yield _numbered(stay), permanent, "the server never will"
    yield "500 to 599 otherwise", recoverable, "the server can't now"


def _sqlstates() -> Iterator[Cells]:
    for beginning, category, reason in error_rules.SQLSTATES:
        yield f"``{beginning}``", category, reason
    unsaid = f"any other, but for ``{error_rules.SQLSTATE_UNSAID}``, which says nothing"
    yield unsaid, ErrorCategory.PERMANENT, "the statement itself is refused"


def _numbers() -> Iterator[Cells]:
    for number, reason in error_rules.MYSQL.items():
        yield f"MySQL {number}", ErrorCategory.TRANSIENT, reason
    for number, reason in error_rules.SQLITE.items():
        yield f"SQLite {number}", ErrorCategory.RECOVERABLE, reason


def _numbered(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"``{name}``" for name in names)


# --- health -----------------------------------------------------------------------


def _health() -> Iterator[str]:
    for first, rows in (("A worker is", _workers()), ("The service is", _service())):
        yield _table((15, 45, 40), (first, "when", "what to do"), rows)


def _workers() -> Iterator[Cells]:
    for rule in WORKER_RULES:
        yield rule.status, rule.when, rule.remedy
    yield Status.HEALTHY, "nothing of that applies", "nothing"


def _service() -> Iterator[Cells]:
    for rule in SERVICE_RULES:
        yield rule.status, rule.when, rule.remedy
    yield *WORKERS_SAY, "see what its reasons say"
    yield Status.HEALTHY, "all its workers are", "nothing"


# --- metrics ----------------------------------------------------------------------


def _metrics() -> Iterator[str]:
    head = "metric and labels", "meaning", "when to worry"
    yield _table((35, 35, 30), head, _metric_rows())


def _metric_rows() -> Iterator[Cells]:
    for row in METRICS:
        labels = f"{{{','.join(row.labels)}}}" if row.labels else ""
        name = f"``{row.full_name}{labels}`` ({row.kind})"
        yield name, row.meaning, row.worry


# --- tables -----------------------------------------------------------------------


def _table(widths: tuple[int, ...], head: Cells, rows: Rows) -> str:
    wide = " ".join(map(str, widths))
    lines = "".join(_row(cells) for cells in (head, *rows))
    return f".. list-table::\n   :header-rows: 1\n   :widths: {wide}\n\n{lines}\n"


def _row(cells: Cells) -> str:
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


PARTS = (
    Part(DOCS / "errors.rst", "Tables of errors", _errors),
    Part(DOCS / "operations.rst", "Tables of health", _health),
    Part(DOCS / "operations.rst", "Table of metrics", _metrics),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
