"""Write the tables of docs/errors.rst from the code's rules; --check only looks."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from workflow_worker.errors import ErrorCategory
from workflow_worker.runtime import error_rules

PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.rst"
BEGIN = ".. The tables are written by scripts/error_table.py\n"
END = ".. End of what scripts/error_table.py writes\n"
WIDTH = 88

Row = tuple[str, ErrorCategory, str]
"""What is met, what it asks for, and why."""


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 if --check finds the page out of date."""
    page = PAGE.read_text("utf-8")
    fresh = written(page)
    if "--check" not in arguments:
        PAGE.write_text(fresh, "utf-8")
        return 0
    if fresh != page:
        print(f"{PAGE} is out of date: run python scripts/error_table.py")
    return int(fresh != page)


def written(page: str) -> str:
    """Return the page with the tables as the code has them."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{''.join(_tables())}{END}{after}"


def _tables() -> Iterator[str]:
    yield _table("By HTTP status", "status", _statuses())
    yield _table("By SQLSTATE", "begins with", _sqlstates())
    yield _table("By a database's own number", "error", _numbers())
    for title, rules in error_rules.TABLE:
        yield _table(
            title,
            "class",
            ((_names(rule.names), rule.category, rule.reason) for rule in rules),
        )


def _statuses() -> Iterator[Row]:
    heal = error_rules.HTTP_RECOVERABLE
    stay = error_rules.HTTP_PERMANENT
    recoverable, permanent = ErrorCategory.RECOVERABLE, ErrorCategory.PERMANENT
    yield _numbered(heal), recoverable, "too early, too late or too often"
    yield "400 to 499 otherwise", permanent, "the request is refused"
    yield _numbered(stay), permanent, "the server never will"
    yield "500 to 599 otherwise", recoverable, "the server can't now"


def _sqlstates() -> Iterator[Row]:
    for beginning, category, reason in error_rules.SQLSTATES:
        yield f"``{beginning}``", category, reason
    unsaid = f"any other, but for ``{error_rules.SQLSTATE_UNSAID}``, which says nothing"
    yield unsaid, ErrorCategory.PERMANENT, "the statement itself is refused"


def _numbers() -> Iterator[Row]:
    for number, reason in error_rules.MYSQL.items():
        yield f"MySQL {number}", ErrorCategory.TRANSIENT, reason
    for number, reason in error_rules.SQLITE.items():
        yield f"SQLite {number}", ErrorCategory.RECOVERABLE, reason


def _numbered(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"``{name}``" for name in names)


def _table(title: str, first: str, rows: Iterable[Row]) -> str:
    head = (
        f"**{title}**\n\n.. list-table::\n   :header-rows: 1\n   :widths: 55 15 30\n\n"
    )
    lines = [_row(first, "category", "reason")]
    lines += [_row(met, category.value, reason) for met, category, reason in rows]
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
