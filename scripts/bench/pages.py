"""Puts the last report into docs/performance.rst and README.rst, between two marks.

A page's own prose is never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tables
from reports import Report, read

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs" / "bench" / "report.json"


@dataclass(frozen=True)
class Part:
    """What is written into a page.

    Attributes:
        page: its file.
        name: of the part, in the marks.
        build: makes it.
    """

    page: Path
    name: str
    build: Callable[[Report], str]

    @property
    def begin(self) -> str:
        """The mark before it."""
        return f".. {self.name}: written by make bench\n"

    @property
    def end(self) -> str:
        """The mark after it."""
        return f".. {self.name}: end of what is written\n"

    def written(self, page: str, report: Report) -> str:
        """Return the page with this part as the report has it."""
        before, rest = page.split(self.begin)
        after = rest.split(self.end)[1]
        return f"{before}{self.begin}\n{self.build(report)}\n{self.end}{after}"


PARTS = (
    Part(ROOT / "docs" / "performance.rst", "Benchmark", tables.performance),
    Part(ROOT / "README.rst", "Headline figures", tables.headline),
)


def write() -> None:
    """Write the last report into all pages."""
    report = read(REPORT)
    for part in PARTS:
        page = part.page.read_text("utf-8")
        part.page.write_text(part.written(page, report), "utf-8")
