"""What the docs say of health is what the code does."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_worker.health.judge import SERVICE_RULES
from workflow_worker.health.rules import WORKER_RULES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.rst"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "health_table.py"))


@pytest.fixture(scope="module")
def written(script: dict[str, Any]) -> Callable[[str], str]:
    found: Callable[[str], str] = script["written"]
    return found


def test_the_docs_are_as_written_from_the_rules(written: Callable[[str], str]) -> None:
    page = PAGE.read_text("utf-8")
    assert page == written(page), "run python scripts/health_table.py"


def test_a_page_is_written_anew_between_its_marks_alone(
    script: dict[str, Any], written: Callable[[str], str]
) -> None:
    page = written(f"before\n{script['BEGIN']}stale\n{script['END']}after\n")
    assert page.startswith(f"before\n{script['BEGIN']}\n.. list-table::")
    assert page.endswith(f"{script['END']}after\n")
    assert "stale" not in page


def test_every_rule_is_in_the_tables(
    script: dict[str, Any], written: Callable[[str], str]
) -> None:
    page = " ".join(written(script["BEGIN"] + script["END"]).split())
    rules = (*WORKER_RULES, *SERVICE_RULES)
    assert [r.when for r in rules if f"* - {r.status} - {r.when} " not in page] == []
    assert [r.when for r in rules if f" - {r.remedy} " not in page] == []
