"""``wfworker doctor``: this host's side, the severities, and how it is shown."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from workflow_worker.broker.checkup import Unreadable
from workflow_worker.broker.checkup_work import Told
from workflow_worker.cli.doctor import app as local
from workflow_worker.cli.doctor.checks import made
from workflow_worker.cli.doctor.findings import (
    Finding,
    Verdict,
    error,
    fine,
    note,
    warning,
    worst,
)
from workflow_worker.cli.doctor.report import as_text
from workflow_worker.settings import Settings, load

NOW_MS = 1_800_000_000_000
BAD = warning("it is late", "Somebody waits.", "Hurry.")


def finding(verdict: Verdict, group: str = "Work", check: str = "pace") -> Finding:
    return Finding(group, check, verdict)


def test_the_worst_finding_decides() -> None:
    assert worst([]) == "ok"
    assert worst([finding(note("x")), finding(fine("y"))]) == "note"
    assert worst([finding(BAD), finding(note("x"))]) == "warning"
    assert worst([finding(error("x", "", "")), finding(BAD)]) == "error"


def test_a_check_that_can_not_read_says_why_and_the_others_go_on() -> None:
    def unreadable() -> Verdict:
        raise Unreadable("CONFIG is not permitted")

    checks = [("Redis", "idle", unreadable), ("Work", "pace", lambda: BAD)]
    first, second = made(checks)
    assert first.verdict.severity == "note"
    assert first.verdict.found == "not checked: CONFIG is not permitted"
    assert second == finding(BAD)


def test_advice_stands_below_what_was_found() -> None:
    found = [finding(BAD), finding(fine("1 \x1b[2J event"), check="size")]
    assert click.unstyle(as_text(found, 80)) == (
        "Work\n"
        "  warning  pace: it is late\n"
        "             Somebody waits.\n"
        "           > Hurry.\n"
        "  ok       size: 1 \\x1b[2J event\n"
        "\n"
        "2 checks: 1 warning (pace), 1 ok"
    )


def test_lines_are_as_wide_as_asked_and_commands_whole() -> None:
    command = "redis-cli-" + "x" * 80
    long = warning("word " * 40, "word " * 40, f"word {command}")
    lines = click.unstyle(as_text([finding(long)], 60)).splitlines()
    assert max(len(line) for line in lines if command not in line) <= 60
    assert any(command in line for line in lines)


# --- settings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "severity"),
    [
        ({}, "ok"),
        ({"lease_ms": 1000}, "warning"),
        ({"hang_timeout_ms": 1000}, "warning"),
        ({"max_memory_mb": 20}, "warning"),
        ({"max_memory_mb": 500}, "ok"),
        ({"http_host": "10.0.0.7"}, "ok"),  # serves health and metrics only
        ({"http_host": "10.0.0.7", "http_token": "secret-1"}, "warning"),
        ({"http_host": "127.0.0.2", "http_token": "secret-1"}, "ok"),
        ({"shutdown_timeout_ms": 60_000}, "note"),
    ],
)
def test_dangerous_settings_are_told(changed: dict[str, object], severity: str) -> None:
    verdict = local.settings(Settings(**changed))  # type: ignore[arg-type]
    assert verdict.severity == severity
    assert "secret-1" not in repr(verdict)


@pytest.mark.parametrize(
    ("text", "mode", "severity"),
    [
        ("REDIS_URL=redis://:pw-1@db/0", 0o644, "warning"),
        ("HTTP_TOKEN=pw-1", 0o604, "warning"),
        ("HTTP_TOKEN=pw-1", 0o600, "ok"),
        ("REDIS_URL=redis://db/0\nLEASE_MS=40000", 0o644, "ok"),
    ],
)
def test_a_secret_that_everybody_can_read_is_told(
    tmp_path: Path, text: str, mode: int, severity: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    path.chmod(mode)
    verdict = local.dotenv(load(environ={}, dotenv=path), path)
    assert verdict.severity == severity
    assert "pw-1" not in repr(verdict)


def test_a_secret_from_elsewhere_does_not_make_dotenv_one(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("LEASE_MS=40000")
    settings = load(environ={"HTTP_TOKEN": "t"}, dotenv=path)
    assert local.dotenv(settings, path).severity == "ok"
    assert local.dotenv(settings, tmp_path / "missing").severity == "ok"


# --- the App ----------------------------------------------------------------------


def test_the_workflows_of_an_app_are_told_whatever_it_prints(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chatty.py").write_text(
        "import os\nos.write(1, b'hello')\n"
        "from workflow_worker import App\napp = App('c')\n"
        "@app.workflow(on='x')\ndef b(ctx, event): ...\n"
        "@app.workflow(on='x')\ndef a(ctx, event): ...\n"
    )
    assert local.declared("chatty:app") == ["a", "b"]
    out, err = capfd.readouterr()
    assert "hello" not in out
    assert "hello" in err


def test_an_app_without_workflows_is_told() -> None:
    assert local.app("m:app", []).severity == "warning"
    assert local.app("m:app", ["a"]).severity == "ok"


FRESH, STALE = NOW_MS - 30_000, NOW_MS - 600_000


@pytest.mark.parametrize(
    ("names", "told", "severity"),
    [
        (["a"], [], "ok"),
        (["a"], [(("a",), FRESH)], "ok"),
        (["a"], [(("a", "b"), FRESH)], "ok"),  # another App's
        (["a", "b"], [(("a",), FRESH)], "note"),  # not deployed
        (["a"], [(("a",), FRESH), (("a", "b"), STALE)], "warning"),
        (["a"], [(("a", "b"), STALE)], "ok"),  # no service runs at all
    ],
)
def test_workflows_without_a_worker_are_told(
    names: list[str], told: list[tuple[tuple[str, ...], int]], severity: str
) -> None:
    found = [Told(frozenset(workflows), at) for workflows, at in told]
    assert local.routes(names, found, NOW_MS).severity == severity
