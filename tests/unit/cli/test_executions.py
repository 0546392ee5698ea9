"""The commands about executions, as far as they need no server."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.unit.cli.commands import closed, run
from workflow_worker.broker import listing
from workflow_worker.cli import executions
from workflow_worker.cli.executions_report import as_table, as_text
from workflow_worker.client import Execution, HistoryEntry

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


def execution(**fields: Any) -> Execution:
    plain = Execution(
        id="0-e-1.w",
        workflow="w",
        version="",
        key="k",
        status="running",
        state="",
        attempt=1,
        result=None,
        error=None,
        started_at=AT,
        updated_at=AT,
        waiting_for=[],
        due_at=None,
        data={},
        parent="",
    )
    return msgspec.structs.replace(plain, **fields)


def step(**fields: Any) -> HistoryEntry:
    plain = HistoryEntry(
        ordinal=1,
        kind="action",
        name="charge",
        started_at=AT,
        duration_ms=12.34,
        attempt=1,
        result=None,
        error=None,
    )
    return msgspec.structs.replace(plain, **fields)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["list", "--status", "done"], "'done' is not one of 'running'"),
        (["list", "--limit", "0"], "0 is not in the range"),
        (["show"], "Missing argument 'ID'"),
        (["cancel"], "Missing argument 'ID...'"),
        (["retry"], "Missing argument 'ID...'"),
        (["signal", "0-e.w"], "Missing argument 'NAME'"),
        (["signal", "0-e.w", "yes", "{"], "the payload is no JSON"),
        (["signal", "0-e.w", "yes", "@none.json"], "none.json can't be read"),
        (["pause"], "No such command 'pause'"),
    ],
)
def test_what_can_not_be_asked_is_a_usage_error(
    arguments: list[str], reason: str
) -> None:
    result = run("executions", *arguments)
    assert result.exit_code == 2
    assert reason in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--wait", "--count", "2"], "--count"),
        (["--timeout", "1"], "--wait"),
        (["--wait", "--timeout", "nan"], "'nan' is no number of seconds"),
        (["--delay", "soon"], "'soon' is no number of seconds"),
        (["--delay", "-1"], "'-1' is no number of seconds"),
        (["--delay", "inf"], "'inf' is no number of seconds"),
    ],
)
def test_what_publish_can_not_do_is_a_usage_error(
    arguments: list[str], reason: str
) -> None:
    result = run("publish", "a", *arguments)
    assert result.exit_code == 2
    assert reason in result.stderr


@pytest.mark.parametrize("name", ["list", "show", "signal", "cancel", "retry"])
def test_each_command_has_help_with_an_example(name: str) -> None:
    result = run("executions", name, "--help")
    assert result.exit_code == 0
    assert f"Examples:\n    wfworker executions {name}" in result.output


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", "0-e.w"], ["signal", "0-e.w", "yes"], ["cancel", "0-e.w"]],
)
def test_no_redis_is_status_3_and_one_line(arguments: list[str]) -> None:
    url = f"redis://127.0.0.1:{closed()}"
    result = run("executions", *arguments, "--redis-url", url)
    assert result.exit_code == 3
    assert re.fullmatch(r"wfworker: Redis can't be reached.*\n", result.stderr)


def test_the_statuses_are_those_that_the_client_accepts() -> None:
    assert executions.STATUSES == listing.STATUSES


def test_an_empty_list_has_a_head() -> None:
    assert as_table([]).split() == [
        "ID",
        "WORKFLOW",
        "KEY",
        "STATUS",
        "STATE",
        "UPDATED",
    ]


def test_what_is_not_known_is_not_shown() -> None:
    assert as_text(execution()).splitlines() == [
        "id:        0-e-1.w",
        "workflow:  w",
        "key:       k",
        "status:    running",
        "started:   2026-01-02T03:04:05.678Z",
        "updated:   2026-01-02T03:04:05.678Z",
    ]


def test_a_result_is_shown_even_if_it_is_false() -> None:
    assert "result:    0" in as_text(execution(status="completed", result=0))


def test_history_is_aligned_one_line_each() -> None:
    steps = (
        step(result={"a": "ü"}),
        step(
            ordinal=10,
            attempt=3,
            duration_ms=1500.0,
            error={"type": "E", "message": "two\nlines", "category": "transient"},
        ),
    )
    text = as_text(execution(history=steps))
    assert text.split("\n\n")[1].splitlines() == [
        '1   action  charge  2026-01-02T03:04:05.678Z  12 ms             {"a": "ü"}',
        "10  action  charge  2026-01-02T03:04:05.678Z  1.5 s  attempt 3  "
        "E: two\\nlines (transient)",
    ]


def test_long_values_are_cut_and_ids_are_not() -> None:
    long = execution(id="i" * 200, state="s" * 200, result="r" * 200)
    assert f"{'i' * 200}  w" in as_table([long])
    assert f"  {'s' * 37}...  " in as_table([long])
    shown = as_text(msgspec.structs.replace(long, status="completed"))
    assert "r" * 116 + "..." in shown
    assert "r" * 117 not in shown


def test_a_terminal_is_not_moved_by_what_is_shown() -> None:
    text = as_table([execution(key="\x1b[2J\r", state="a\nb\u202e")])
    assert "\\x1b[2J\\r" in text
    assert "a\\nb\\u202e" in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ({"name": "approved", "payload": {"by": "ann"}}, 'approved {"by": "ann"}'),
        (None, "timed out"),
    ],
)
def test_a_wait_shows_which_signal_came_with_what(result: object, shown: str) -> None:
    waited = step(kind="wait", name="approved|rejected", result=result)
    assert as_text(execution(history=(waited,))).endswith(f"  {shown}")
