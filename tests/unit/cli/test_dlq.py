"""The commands about dead letters, as far as they need no server."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
import pytest

from tests.unit.cli.commands import closed, run
from workflow_worker.cli.dlq import age, per_second
from workflow_worker.cli.dlq_report import as_summary, as_table, as_text
from workflow_worker.cli.dlq_watch import Watched, stopped_by_interrupt
from workflow_worker.client import DeadLetter, Handled
from workflow_worker.errors import Unavailable

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
STAMP = "2026-01-02T03:04:05.678Z"


def letter(**fields: Any) -> DeadLetter:
    plain = DeadLetter(
        id="17-0",
        event_name="order.placed",
        workflow="fulfil",
        execution_id="0-e-1.fulfil",
        category="permanent",
        reason="",
        error_type="shop.Empty",
        message="no stock",
        traceback="",
        action="",
        attempts=1,
        deliveries=1,
        exit="",
        first_tried_at=None,
        last_tried_at=AT,
        entry="16-0",
        fields={"name": b"order.placed", "id": b"e-1", "payload": b'{"a":1}'},
    )
    return msgspec.structs.replace(plain, **fields)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["list", "--limit", "0"], "0 is not in the range"),
        (["list", "--older-than", "7"], "'7' is no age like 7d"),
        (["list", "--older-than", "-1d"], "'-1d' is no age"),
        (["show"], "Missing argument 'ID'"),
        (["retry"], "Which dead letters?"),
        (["retry", "--rate", "5"], "Which dead letters?"),
        (["retry", "--all", "--rate", "0"], "'0' is no number above 0"),
        (["purge"], "Which dead letters?"),
        (["purge", "--yes"], "Which dead letters?"),
        (["purge", "--all"], "There is nobody to ask: say --yes."),
        (["drop"], "No such command 'drop'"),
    ],
)
def test_what_can_not_be_asked_is_a_usage_error(
    arguments: list[str], reason: str
) -> None:
    result = run("dlq", *arguments)
    assert result.exit_code == 2
    assert reason in result.stderr


@pytest.mark.parametrize("name", ["list", "show", "retry", "purge"])
def test_each_command_has_help_with_an_example(name: str) -> None:
    result = run("dlq", name, "--help")
    assert result.exit_code == 0
    assert f"Examples:\n    wfworker dlq {name}" in result.output


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", "1-0"], ["retry", "--all"], ["purge", "--all", "--yes"]],
)
def test_no_redis_is_status_3_and_one_line(arguments: list[str]) -> None:
    result = run("dlq", *arguments, "--redis-url", f"redis://127.0.0.1:{closed()}")
    assert (result.exit_code, result.stdout) == (3, "")
    assert re.fullmatch(r"wfworker: Redis can't be reached.*\n", result.stderr)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("0.5h", 1800)],
)
def test_an_age_has_a_unit(text: str, seconds: float) -> None:
    assert age(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "7", "7 d", "7w", "1d12h", "nan", "9e9d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        age(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        per_second(text)


def test_a_table_has_one_line_each() -> None:
    lines = as_table([letter(), letter(workflow="", message="m" * 90)]).split("\n")
    assert lines[0].split("  ")[0] == "ID"
    assert lines[1].split() == [
        *("17-0", "fulfil", "order.placed", "Empty", "no", "stock", STAMP)
    ]
    assert "(no workflow)" in lines[2]
    assert f"{'m' * 37}..." in lines[2]
    assert len(as_table([]).split("\n")) == 1


def test_one_is_shown_with_all_that_is_known() -> None:
    shown = as_text(
        letter(
            reason="declared so",
            action="charge",
            attempts=4,
            exit="SIGSEGV",
            first_tried_at=AT,
            traceback='File "a.py"\n    raise\n\nEmpty\n',
        )
    )
    head, event, trace, ways = re.split(r"\n\n(?=event|traceback|again)", shown)
    assert (
        dict(line.split(":", 1) for line in head.replace("  ", "").split("\n"))
        == {
            "id": "17-0",
            "workflow": "fulfil",
            "execution": "0-e-1.fulfil",
            "error": "shop.Empty",
            "message": "no stock",
            "category": "permanent",
            "reason": "declared so",
            "action": "charge",
            "attempts": "4",
            "deliveries": "1",
            "worker's end": "SIGSEGV",
            "first tried": STAMP,
            "last tried": STAMP,
        }
        or STAMP in head
    )
    assert event.split("\n") == [
        "event:",
        "  name:     order.placed",
        "  key:      e-1",
        "  id:       e-1",
        '  payload:  {"a": 1}',
        "  headers:  {}",
    ]
    assert trace == 'traceback:\n  File "a.py"\n      raise\n\n  Empty'
    assert "wfworker dlq retry 17-0" in ways
    assert "wfworker dlq purge 17-0" in ways


def test_what_is_not_known_is_not_shown() -> None:
    shown = as_text(letter(workflow="", execution_id="", deliveries=0))
    names = {line.split(":")[0] for line in shown.split("\n\n")[0].split("\n")}
    assert names == {*("id", "error", "message", "category", "attempts", "last tried")}
    assert "traceback" not in shown


def test_a_terminal_is_not_moved_by_what_is_shown() -> None:
    foul = "\x1b[2J\r\u202e"
    found = letter(
        workflow=foul,
        message=foul,
        traceback=foul,
        fields={"name": b"n", "payload": foul.encode(), "key": foul.encode()},
    )
    for text in (as_table([found]), as_text(found)):
        assert not set(foul) - {"[", "2", "J"} & set(text)


def test_a_summary_counts_by_workflow() -> None:
    done = Handled(13, 12, {"fulfil": 12, "": 1})
    assert as_summary(done, "purged", "removed") == (
        "13 dead letters purged; executions removed: 12\n"
        "  (no workflow)  1\n"
        "  fulfil         12"
    )
    none = as_summary(Handled(), "retried", "going on")
    assert none == "0 dead letters retried; executions going on: 0"


def test_what_was_done_is_told_even_if_it_ends_with_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails() -> None:
        with Watched("retried", "going on", lambda: 5) as watched:
            watched.tell(Handled(2, 2, {"fulfil": 2}))
            raise Unavailable

    with pytest.raises(Unavailable):
        fails()
    assert capsys.readouterr().out.startswith("2 dead letters retried")


def test_a_pause_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Watched("retried", "going on", lambda: 5) as watched:
        for letters in range(3):
            watched.tell(Handled(letters, paused=True))
    assert capsys.readouterr().err.count("waiting for the workers") == 1


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As in a terminal: what is started in the background ignores interrupts."""
    given = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, given)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_stops_and_a_second_one_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)

    def interrupted_twice() -> None:
        with stopped_by_interrupt() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice()
    assert signal.getsignal(signal.SIGINT) is before
