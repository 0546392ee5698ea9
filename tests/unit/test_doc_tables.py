"""The tables of the docs say what the code does."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from workflow_worker.health.judge import SERVICE_RULES
from workflow_worker.health.rules import WORKER_RULES
from workflow_worker.metrics.table import TABLE as METRICS
from workflow_worker.runtime.error_rules import BY_NAME

ROOT = Path(__file__).parents[2]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "doc_tables.py"))
PARTS: dict[str, Any] = {part.name: part for part in SCRIPT["PARTS"]}


def fresh(name: str) -> str:
    """What a part says, as one line."""
    part = PARTS[name]
    return " ".join(part.written(part.begin + part.end).split())


@pytest.mark.parametrize("page", ["errors.rst", "operations.rst"])
def test_the_docs_are_as_written_from_the_code(page: str) -> None:
    path = ROOT / "docs" / page
    text = path.read_text("utf-8")
    assert text == SCRIPT["written"](path, text), "run python scripts/doc_tables.py"


@pytest.mark.parametrize("name", PARTS)
def test_a_page_is_written_anew_between_its_marks_alone(name: str) -> None:
    part = PARTS[name]
    page = part.written(f"before\n{part.begin}stale\n{part.end}after\n")
    assert page.startswith(f"before\n{part.begin}\n")
    assert page.endswith(f"{part.end}after\n")
    assert "stale" not in page
    assert ".. list-table::" in page


def test_every_rule_of_errors_is_in_the_tables() -> None:
    page = fresh("Tables of errors")
    assert [name for name in BY_NAME if f"``{name}``" not in page] == []


def test_every_rule_of_health_is_in_the_tables() -> None:
    page = fresh("Tables of health")
    rules = (*WORKER_RULES, *SERVICE_RULES)
    assert [r.when for r in rules if f"* - {r.status} - {r.when} " not in page] == []
    assert [r.when for r in rules if f" - {r.remedy} " not in page] == []


def test_every_metric_is_in_the_table() -> None:
    page = fresh("Table of metrics")
    assert [row.name for row in METRICS if f"``{row.full_name}" not in page] == []
