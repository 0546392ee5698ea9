"""routes: the union of what the living want, whoever they are."""

from __future__ import annotations

import json

import pytest

from tests.functional.broker.conftest import PARTITION, Database, suspended
from workflow_worker.broker import control, fleet
from workflow_worker.model import Route

pytestmark = pytest.mark.usefixtures("books")
ROUTES = PARTITION.prefix + "routes"


def register(base: Database, *routes: Route) -> int:
    return fleet.register(base.hand().link, PARTITION, routes)


def union(base: Database) -> dict[str, object]:
    """What take reads of them, without the Apps behind it."""
    found = base.client.hgetall(ROUTES)
    return {
        field.decode(): json.loads(value)
        for field, value in found.items()
        if not field.startswith(b"@")
    }


@pytest.fixture(autouse=True)
def _no_routes_yet(base: Database) -> None:
    base.client.delete(ROUTES)


def test_starts_patterns_and_signals_have_each_their_field(base: Database) -> None:
    wanted = register(
        base,
        Route("s", ("open",), ("^order%..*$",), ("step",)),
        Route("w", ("open", "go")),
    )
    assert wanted == 4
    assert union(base) == {
        "=open": [["s", 1], ["w", 0]],
        "=go": [["w", 0]],
        "*": [["^order%..*$", "s", 1]],
        "!step": ["s"],
        "#s": 1,
    }


def test_two_versions_side_by_side_are_one_union(base: Database) -> None:
    register(base, Route("w", ("go",), ("^o.*$",)), Route("old", ("gone",)))
    register(base, Route("w", ("go", "come"), ("^o.*$",), ("step",)))
    assert union(base) == {
        "=go": [["w", 1]],
        "=come": [["w", 1]],
        "=gone": [["old", 0]],
        "*": [["^o.*$", "w", 1]],
        "!step": ["w"],
        "#w": 1,
    }


def test_the_same_routes_again_change_nothing(base: Database) -> None:
    routes = (Route("s", ("open",), (), ("step",)), Route("w", ("go",)))
    assert register(base, *routes) == register(base, *routes)
    assert union(base)["=open"] == [["s", 1]]
    apps = [field for field in base.client.hkeys(ROUTES) if field.startswith(b"@")]
    assert len(apps) == 1


def test_what_nobody_renewed_is_dropped_with_its_fields(base: Database) -> None:
    register(base, Route("old", ("gone",), ("^gone%..*$",), ("step",)))
    later = base.hand("b", ahead_ms=fleet.ROUTES_TTL_MS + 1)
    fleet.register(later.link, later.partition, (Route("w", ("go",)),))
    assert union(base) == {"=go": [["w", 0]]}


def test_a_workflow_that_takes_no_signals_any_more_still_runs(base: Database) -> None:
    register(base, Route("s", ("open",), (), ("step",)))
    hand = base.hand()
    waiting = base.waiting(hand)
    later = base.hand("b", ahead_ms=fleet.ROUTES_TTL_MS + 1)
    fleet.register(later.link, later.partition, (Route("s", ("open",)),))
    base.signal("step", 1, key="k")
    assert hand.taken().ignored == 1
    assert base.record(waiting)["status"] == "waiting"
    base.add("open", key="k2")
    assert hand.begin().record is None


def test_workflows_started_are_told_by_name(base: Database) -> None:
    register(
        base,
        Route("s", ("order.placed",), (), ("step",)),
        Route("v", (), ("^order%..*$", "^order.*$")),
    )
    link = base.hand().link
    base.client.script_flush()
    assert control.started_by(link, PARTITION, "order.placed") == ["s", "v"]
    assert control.started_by(link, PARTITION, "order.x") == ["v"]
    assert control.started_by(link, PARTITION, "step") == []
    assert control.started_by(link, PARTITION, "unheard") == []


def test_registering_works_where_scripts_were_forgotten(base: Database) -> None:
    base.client.script_flush()
    assert register(base, Route("w", ("go",))) == 1


def test_a_pattern_starts_one_that_takes_signals(base: Database) -> None:
    register(base, Route("s", (), ("^order%..*$",), ("step",)))
    hand = base.hand()
    base.add("order.placed", key="k")
    task = hand.begin()
    base.signal("step", 1, key="k")
    hand.take()
    hand.commit(task, decision=suspended(1, "step"))
    assert base.wakes() == [task.execution_id]
