"""The command as such, and those that configure and publish."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from tests.unit.cli.commands import closed, process, run
from workflow_worker.cli import publish
from workflow_worker.cli.main import COMMANDS, wfworker
from workflow_worker.errors import ConfigurationError
from workflow_worker.settings import table


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"wfworker \d+\.\d+\.\d+\n", run("--version").output)


def test_help_names_every_command_and_gives_examples() -> None:
    text = run("--help").output
    assert all(f"  {name} " in text for name in COMMANDS)
    assert "Examples:\n" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_examples(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"Examples:\n    wfworker {name}" in result.output


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("strat").exit_code == 2


def test_start_has_a_flag_for_every_setting() -> None:
    text = run("start", "--help").output
    assert all(f"{row.flag} " in text and f"[{row.env};" in text for row in table())


def test_the_module_is_the_command() -> None:
    assert process("--version").stdout == run("--version").output


def test_a_bad_setting_ends_with_status_2_and_one_line() -> None:
    done = process("start", "--workers", "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"wfworker: WORKER_COUNT is 'none' .*\n", done.stderr)


def test_commands_are_click_commands() -> None:
    context = click.Context(wfworker)
    assert all(wfworker.get_command(context, name) for name in COMMANDS)


def test_config_shows_values_and_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_MS", "40000")
    Path(".env").write_text("BATCH_SIZE=20\n")
    text = run("config", "--workers", "3").output
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert rows["WORKER_COUNT"] == ["3", "flag"]
    assert rows["LEASE_MS"] == ["40000", "environment"]
    assert rows["BATCH_SIZE"] == ["20", ".env"]
    assert rows["HTTP_TOKEN"] == ["none", "default"]
    assert len(rows) == len(table()) + 1


def test_config_is_aligned() -> None:
    lines = run("config").output.splitlines()
    assert len({line.rindex(" ") for line in lines}) == 1


def test_config_speaks_json() -> None:
    found = json.loads(run("config", "--json", "--http-port", "off").output)
    assert found["HTTP_PORT"] == {"value": None, "origin": "flag"}
    assert found["BATCH_SIZE"] == {"value": 10, "origin": "default"}


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_config_hides_secrets(form: list[str]) -> None:
    url = "redis://u:s3cr3t@h"
    text = run("config", *form, "--redis-url", url, "--http-token", "t0k3n").output
    assert "redis://u:***@h" in text
    assert "s3cr3t" not in text
    assert "t0k3n" not in text


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("{", "double quotes at line 1 column 2"),
        ('{"a":\n}', "line 2 column 1"),
        ("[1]", "must be a JSON object, not an array"),
        ("null", "not null"),
        ("true", "not a boolean"),
        ('{"a": NaN}', "NaN"),
        ("[" * 100_000, "no JSON"),
        ("@missing.json", "missing.json can't be read: No such file"),
    ],
)
def test_a_bad_payload_is_refused_with_its_place(payload: str, reason: str) -> None:
    result = run("publish", "order.placed", payload)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_payload_is_an_argument_or_a_file() -> None:
    Path("order.json").write_text('{"id": "ü"}', "utf-8")
    assert publish.read('{"id": "ü"}') == publish.read("@order.json") == {"id": "ü"}


def test_a_payload_that_is_no_utf8_is_refused() -> None:
    Path("order.json").write_bytes(b'{"id": "\xff"}')
    with pytest.raises(ConfigurationError, match="no JSON"):
        publish.read("@order.json")


def test_a_payload_comes_from_stdin() -> None:
    assert "line 1 column 1" in run("publish", "a", "-", stdin="nonsense").stderr


def test_one_id_for_many_events_is_a_usage_error() -> None:
    result = run("publish", "a", "--id", "x", "--count", "2")
    assert result.exit_code == 2
    assert "--count" in result.stderr


@pytest.mark.parametrize("more", [[], ["--count", "3"]])
def test_no_redis_is_status_3_and_one_line(more: list[str]) -> None:
    result = run("publish", "a", *more, "--redis-url", f"redis://127.0.0.1:{closed()}")
    assert result.exit_code == 3
    assert re.fullmatch(r"wfworker: Redis can't be reached.*\n", result.stderr)
