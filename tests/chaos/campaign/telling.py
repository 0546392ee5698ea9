"""What is printed about an episode that was not good: how to see it again, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.chaos.campaign.checker import Violation, evidence
from tests.chaos.campaign.episode import Result
from tests.chaos.campaign.history import History

MOST = 10
"""Violations of an episode that are printed with their history; more are counted."""


def tell(result: Result, folder: Path) -> Iterator[str]:
    """Yield what there is to say, line by line."""
    yield f"seed {result.plan.seed} again: {result.plan.command()}"
    yield f"its files: {folder}"
    if result.trouble:
        yield f"the driver could not do its work: {result.trouble}"
    for what, count in result.left.items():
        yield f"not at rest: {what}: {count}"
    for rule, count in by_rule(result.violations).items():
        yield f"{count} times: {rule}"
    if not result.violations:
        return
    history = History.load(folder)
    for violation in result.violations[:MOST]:
        yield ""
        yield str(violation)
        yield from (f"    {line}" for line in evidence(history, violation))


def by_rule(violations: Iterable[Violation]) -> dict[str, int]:
    """How often each promise was broken."""
    return dict(Counter(violation.rule for violation in violations))
