"""Alert rules and dashboard: Prometheus accepts them, they ask for what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.promtools import needs_prometheus, promtool
from workflow_worker.board import Restart
from workflow_worker.errors import ErrorCategory
from workflow_worker.health import Status
from workflow_worker.metrics import table
from workflow_worker.metrics.table import TABLE, Kind

SCRIPTS = Path(__file__).parents[2] / "scripts"
ALERTS = SCRIPTS / "prometheus" / "alerts.yml"
DASHBOARD = SCRIPTS / "grafana" / "dashboard.json"
OUTCOMES = {
    *(table.SUCCEEDED, table.FAILED, table.RETRIED),
    *(table.SUSPENDED, table.IGNORED),
}
VALUES = {
    "outcome": OUTCOMES,
    "reason": {cause.name.lower() for cause in Restart},
    "status": {status.value for status in Status},
    "category": {category.value for category in ErrorCategory},
}
"""What labels with few values can be."""
LABELS = {label for row in TABLE for label in row.labels} | {"job", "instance", "le"}


def exprs_of_alerts() -> Iterator[str]:
    # Good enough for this file: an expression ends where the next key begins.
    text = ALERTS.read_text()
    for found in re.finditer(r"expr: (.*?)\n        (?:for|labels):", text, re.DOTALL):
        yield " ".join(found[1].removeprefix(">-").split())


def exprs_of_dashboard() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def exposed() -> set[str]:
    suffixes = ("_bucket", "_sum", "_count")
    return {
        row.full_name + suffix
        for row in TABLE
        for suffix in (suffixes if row.kind is Kind.HISTOGRAM else ("",))
    }


@pytest.mark.parametrize(
    ("file", "exprs"),
    [(ALERTS, exprs_of_alerts), (DASHBOARD, exprs_of_dashboard)],
    ids=["alerts", "dashboard"],
)
def test_what_is_asked_for_is_what_there_is(file: Path, exprs: object) -> None:
    assert callable(exprs)
    asked = list(exprs())
    assert len(asked) > 15
    for expr in asked:
        names = set(re.findall(r"workflow_worker_\w+", expr))
        assert names <= exposed(), expr
        assert names or "up{" in expr, expr
        grouped = re.findall(r"(?:by|without) \(([^)]*)\)", expr)
        labels = {name.strip() for group in grouped for name in group.split(",")}
        matched = re.findall(r'(\w+)(?:=~|!=|!~|=)"([^"]*)"', expr)
        assert labels | {label for label, _ in matched} <= LABELS, expr
        for label, values in matched:
            if label in VALUES:
                assert set(values.split("|")) <= VALUES[label], expr


@needs_prometheus
def test_prometheus_accepts_the_alert_rules_and_their_tests_hold() -> None:
    status, said = promtool("check", "rules", "--lint-fatal", str(ALERTS))
    assert (status, said.count("FAILED")) == (0, 0), said
    tests = ALERTS.with_name("alerts_test.yml")
    status, said = promtool("test", "rules", str(tests))
    assert status == 0, said


def test_every_alert_says_what_to_do() -> None:
    rules = ALERTS.read_text().split("- alert: ")[1:]
    lacking = [
        rule.split("\n")[0]
        for rule in rules
        if not all(f"{key}: " in rule for key in ("summary", "description", "severity"))
    ]
    assert lacking == []


@needs_prometheus
def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "1m")}
        for number, expr in enumerate(exprs_of_dashboard())
    ]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    status, said = promtool("check", "rules", str(file))
    assert status == 0, said
    assert f"{len(rules)} rules found" in said


def test_every_metric_is_on_the_dashboard() -> None:
    asked = " ".join(exprs_of_dashboard())
    assert [row.name for row in TABLE if row.full_name not in asked] == []
