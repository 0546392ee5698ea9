"""The demo: its plan, and that no number that is off passes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_worker.cli.demo_report import (
    Findings,
    Letter,
    Plan,
    as_object,
    as_text,
    checks,
)

ROOT = Path(__file__).parents[3]


def test_the_demo_is_the_example() -> None:
    example = ROOT / "examples" / "orders.py"
    demo = ROOT / "workflow_worker" / "cli" / "demo_app.py"
    assert example.read_text("utf-8") == demo.read_text("utf-8")


def findings(plan: Plan) -> Findings:
    """What a service that works leaves behind."""
    failing = len(plan.failing)
    return Findings(
        published=tuple(event["id"] for event in plan.events()),
        stats={
            "events_succeeded": plan.succeeding,
            "events_failed": failing,
            "events_duplicate": 1,
        },
        letters=tuple(Letter(o, "permanent", "E", "") for o in plan.failing),
        health={
            "healthyWorkers": 2,
            "eventsProcessed": plan.total,
            "eventsSucceeded": plan.succeeding,
            "eventsFailed": failing,
        },
        shares={0: plan.total - 5, 1: 5},
        backlog=(0, 0),
        exit_status=0,
        seconds=1.0,
    )


def test_some_orders_of_the_demo_fail_on_purpose() -> None:
    plan = Plan(300)
    assert 10 < len(plan.failing) < 30
    assert {plan.fault(n) for n in range(300)} == {"", "expired", "broken"}


def test_numbers_that_add_up_are_no_complaint() -> None:
    plan = Plan(300)
    made = checks(plan, 2, findings(plan))
    assert [check for check in made if not check.holds] == []
    assert as_object(findings(plan), made)["ok"]
    assert "off" not in as_text(findings(plan), made)


Spoil = Callable[[Findings], Findings]


def replaced(**changes: object) -> Spoil:
    return lambda found: dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def counted(field: str, name: str) -> Spoil:
    def spoil(found: Findings) -> Findings:
        figures = getattr(found, field)
        return replaced(**{field: {**figures, name: figures.get(name, 0) + 1}})(found)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        counted("stats", "events_succeeded"),
        counted("stats", "events_failed"),
        counted("stats", "events_duplicate"),
        counted("stats", "events_ignored"),
        counted("health", "healthyWorkers"),
        counted("health", "eventsProcessed"),
        counted("health", "eventsSucceeded"),
        counted("health", "eventsFailed"),
        replaced(shares={0: 1}),
        replaced(backlog=(1, 0)),
        replaced(backlog=(0, 1)),
        replaced(exit_status=1),
        replaced(published=("o-1",)),
        replaced(letters=()),
        lambda found: replaced(
            letters=(*found.letters[1:], Letter("o-0", "permanent", "E", ""))
        )(found),
    ],
)
def test_any_number_that_is_off_is_found(spoil: Spoil) -> None:
    plan = Plan(300)
    spoiled = spoil(findings(plan))
    made = checks(plan, 2, spoiled)
    assert [check for check in made if not check.holds]
    assert not as_object(spoiled, made)["ok"]
    assert "<- off" in as_text(spoiled, made)
