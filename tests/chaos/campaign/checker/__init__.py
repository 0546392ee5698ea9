"""Whether an episode kept every promise, by what was done and what came of it.

Pure: a history, a snapshot and a plan in, violations out. Each rule is one promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.chaos.campaign.books import Snapshot
from tests.chaos.campaign.checker import (
    conservation,
    order,
    outcomes,
    outside,
    rest,
)
from tests.chaos.campaign.checker.case import Case, Plan
from tests.chaos.campaign.checker.evidence import evidence
from tests.chaos.campaign.checker.verdict import Violation
from tests.chaos.campaign.history import History

__all__ = ["RULES", "Violation", "check", "evidence"]

Rule = Callable[[Case], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    outcomes.lost,
    outcomes.stuck,
    outcomes.outcome,
    outcomes.invented,
    outcomes.once,
    outcomes.journal,
    outside.twice,
    outside.keys,
    outside.seen,
    outside.undone,
    order.order,
    order.tokens,
    order.exclusion,
    rest.pending,
    rest.consumers,
    rest.wake,
    rest.ownership,
    conservation.internal,
    conservation.external,
)


def check(history: History, snapshot: Snapshot, plan: Plan) -> list[Violation]:
    """Return every violation, those of the first rule first."""
    case = Case(history, snapshot, plan)
    return [violation for rule in RULES for violation in rule(case)]
