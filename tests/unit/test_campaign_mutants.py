"""The campaign's mutants: each has something to break, and a rule that sees it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import workflow_worker
from tests.chaos.campaign import checker
from tests.chaos.campaign.mutants import MUTANTS, SHARP, Change

PACKAGE = Path(workflow_worker.__file__).parent
CHANGES = [change for mutant in MUTANTS for change in mutant.changes]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.file)
def test_what_a_mutant_replaces_stands_there_once(change: Change) -> None:
    text = (PACKAGE / change.file).read_text("utf-8")
    assert text.count(change.old) == 1, change.old
    if change.file.endswith(".py"):
        ast.parse(text.replace(change.old, change.new))


def test_each_mutant_is_seen_by_rules_that_there_are() -> None:
    folder = Path(checker.__file__).parent
    sources = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    for mutant in MUTANTS:
        assert mutant.profile in SHARP
        for rule in mutant.rules:
            assert f'Violation("{rule}"' in sources, (mutant.name, rule)
