"""The tables of the docs say what the code does."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_worker.runtime.error_rules import BY_NAME

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.rst"


@pytest.fixture(scope="module")
def written() -> Callable[[str], str]:
    script: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "error_table.py"))
    found: Callable[[str], str] = script["written"]
    return found


def test_the_docs_are_as_written_from_the_code(written: Callable[[str], str]) -> None:
    page = PAGE.read_text("utf-8")
    assert page == written(page), "run python scripts/error_table.py"


def test_a_page_that_says_otherwise_is_mended(written: Callable[[str], str]) -> None:
    page = PAGE.read_text("utf-8")
    stale = page.replace("``TimeoutError``", "``TimeoutError``, ``LateError``")
    assert stale != page
    assert written(stale) == page


def test_every_rule_of_the_code_is_in_the_docs() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in BY_NAME if f"``{name}``" not in page] == []
