"""What the docs say is run: every Python block of a page, in order, as one program."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    return [dedent(found) for found in BLOCK.findall(page.read_text("utf-8") + "\n")]


@pytest.mark.parametrize(
    "name", ["tutorial.rst", "determinism.rst", "testing.rst", "errors.rst"]
)
def test_every_python_block_of_a_page_runs(name: str) -> None:
    page = DOCS / name
    code = blocks(page)
    assert code
    names: dict[str, object] = {"__name__": page.stem}
    for block in code:
        exec(compile(block, f"{name}: {block[:40]!r}", "exec"), names)  # noqa: S102
