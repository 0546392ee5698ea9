"""What the docs say of metrics is what the code serves."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_worker.metrics.table import TABLE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.rst"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "metrics_table.py"))


@pytest.fixture(scope="module")
def written(script: dict[str, Any]) -> Callable[[str], str]:
    found: Callable[[str], str] = script["written"]
    return found


def test_the_docs_are_as_written_from_the_table(written: Callable[[str], str]) -> None:
    page = PAGE.read_text("utf-8")
    assert page == written(page), "run python scripts/metrics_table.py"


def test_a_page_is_written_anew_between_its_marks_alone(
    script: dict[str, Any], written: Callable[[str], str]
) -> None:
    page = written(f"before\n{script['BEGIN']}stale\n{script['END']}after\n")
    assert page.startswith(f"before\n{script['BEGIN']}\n.. list-table::")
    assert page.endswith(f"{script['END']}after\n")
    assert "stale" not in page
    assert [row.name for row in TABLE if f"``{row.full_name}" not in page] == []
