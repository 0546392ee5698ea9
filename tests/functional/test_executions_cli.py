"""``wfworker executions`` and ``publish --wait``, against a real service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.servers import Server, wait_until
from tests.service import Service
from tests.unit.cli import commands


@pytest.fixture(scope="module")
def service(
    valkey: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with valkey.client() as client:
        client.flushall()
    folder = tmp_path_factory.mktemp("cli")
    with Service(valkey.url, folder, app="tests.apps.desk:app") as running:
        yield running.start()


@pytest.fixture
def asking(service: Service) -> str:
    """Id of an execution that waits for an answer."""
    with service.client() as client:
        execution_id = f"0-{client.publish('asks', key='k-1')}.asks"
    wait_until(
        lambda: execution_id in run(service, "list", "--status", "waiting").output
    )
    return execution_id


def run(service: Service, *arguments: str, stdin: str = "") -> Result:
    url = ("--redis-url", service.redis_url)
    return commands.run("executions", *arguments, *url, stdin=stdin)


def publish(service: Service, *arguments: str) -> Result:
    return commands.run("publish", *arguments, "--redis-url", service.redis_url)


def found(service: Service, execution_id: str) -> dict[str, object]:
    shown: dict[str, object] = json.loads(
        run(service, "show", execution_id, "--json").output
    )
    return shown


def test_publish_waits_and_prints_the_result(service: Service) -> None:
    assert publish(service, "doubles", '{"n": 4}', "--wait").output == "8\n"
    assert publish(service, "nothing", "--wait", "--delay", "0.01").output == "null\n"
    assert publish(service, "pair", '{"n": 1}', "--wait").output == "[4, 2]\n"


def test_a_failure_is_one_sentence_and_status_1(service: Service) -> None:
    result = publish(service, "gated", '{"gate": "shut"}', "--wait")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "failed" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_timeout_is_one_sentence_and_status_1(service: Service) -> None:
    result = publish(service, "asks", "--id", "e-1", "--wait", "--timeout", "0.1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("wfworker: event e-1 was published, but ")
    assert result.stderr.count("\n") == 1


def test_a_list_is_a_table_or_json(service: Service, asking: str) -> None:
    lines = run(service, "list", "--workflow", "asks", "--key", "k-1").output.split(
        "\n"
    )
    assert lines[0].split() == ["ID", "WORKFLOW", "KEY", "STATUS", "STATE", "UPDATED"]
    [line] = [line for line in lines if line.startswith(f"{asking} ")]
    assert line.split()[1:5] == ["asks", "k-1", "waiting", "asking"]
    listed = json.loads(run(service, "list", "--limit", "1", "--json").output)
    assert [each["id"] for each in listed["executions"]] == [asking]


def test_one_is_shown_with_what_it_did(service: Service, asking: str) -> None:
    text = run(service, "show", asking).output
    head, history = text.split("\n\n")
    lines = dict(line.split(None, 1) for line in head.splitlines())
    assert lines["id:"] == asking
    assert lines["workflow:"] == "asks 2"
    assert lines["data:"] == '{"asked": 2}'
    assert "waits for:  yes, no" in head
    [step] = history.splitlines()
    assert step.split()[:3] == ["1", "action", "double"]
    assert step.endswith("  2")
    shown = found(service, asking)
    assert (shown["id"], shown["waitingFor"]) == (asking, ["yes", "no"])
    assert isinstance(shown["history"], list)


def test_a_failed_step_is_shown_with_its_error(service: Service) -> None:
    publish(service, "gated", '{"gate": "shut"}', "--id", "e-2", "--wait")
    text = run(service, "show", "0-e-2.gated").output
    assert text.count("gate shut is closed (permanent)") == 2  # as its error, as a step


def test_a_signal_goes_to_one(service: Service, asking: str, tmp_path: Path) -> None:
    (tmp_path / "by.json").write_text('{"by": "ann"}')
    result = run(service, "signal", asking, "yes", f"@{tmp_path / 'by.json'}")
    assert result.exit_code == 0
    wait_until(lambda: found(service, asking)["status"] == "completed")
    assert found(service, asking)["result"] == {"name": "yes", "by": "ann"}


def test_several_are_cancelled_whatever_comes_of_one(
    service: Service, asking: str
) -> None:
    result = run(service, "cancel", "0-none.asks", asking)
    assert (result.exit_code, result.stdout) == (1, f"{asking} cancelled\n")
    assert "no record of an execution 0-none.asks" in result.stderr
    assert found(service, asking)["status"] == "cancelled"
    again = run(service, "retry", asking)
    assert (again.exit_code, again.stdout) == (0, f"{asking} runs again\n")
    wait_until(lambda: found(service, asking)["status"] == "waiting")
    result = run(service, "retry", asking)
    assert result.exit_code == 1
    assert "only a failed or cancelled one" in result.stderr


def test_what_is_not_there_is_status_1(service: Service) -> None:
    result = run(service, "show", "0-none.asks")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
