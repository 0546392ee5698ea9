"""Executions, dead letters and the fleet over HTTP, on a real service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.api import STATUSES, STRANGE, TOKEN, Api, filled, path_of
from tests.servers import wait_until

ODD = f"0-{STRANGE}.asks"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with filled(tmp_path, HTTP_TOKEN=TOKEN) as service:
        yield service


def listed(api: Api, query: str = "") -> list[str]:
    status, answer = api.ask(f"/api/executions{query}")
    assert status == 200
    return [each["id"] for each in answer["executions"]]


def letters(api: Api, query: str = "") -> list[str]:
    status, answer = api.ask(f"/api/dead-letters{query}")
    assert status == 200
    return [each["id"] for each in answer["deadLetters"]]


def printed(api: Api, *command: str) -> Any:
    """What a command of ``wfworker`` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "workflow_worker", *command],
        env=api.env,
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_what_is_read_over_http_is_what_commands_print(shared: Api) -> None:
    for query, command in (
        ("executions?status=failed", ("executions", "list", "--status", "failed")),
        (path_of(ODD)[5:], ("executions", "show", ODD)),
        ("dead-letters?limit=1", ("dlq", "list", "--limit", "1")),
    ):
        assert shared.ask(f"/api/{query}") == (200, printed(shared, *command, "--json"))


def test_executions_are_chosen_by_status_workflow_and_key(shared: Api) -> None:
    for status in STATUSES:
        assert listed(shared, f"?status={status}"), status
    assert listed(shared, "?workflow=doubles") == ["0-done.doubles"]
    assert listed(shared, "?key=waits&status=waiting&workflow=") == [ODD]
    assert len(listed(shared, "?limit=3")) == 3


def test_any_id_is_found_and_steered(api: Api) -> None:
    odd = path_of(ODD)
    status, found = api.ask(odd)
    assert (status, found["id"], found["waitingFor"]) == (200, ODD, ["yes", "no"])
    assert [each["name"] for each in found["history"]] == ["double"]
    word = {"name": "yes", "payload": {"by": "ann"}, "id": "once"}
    assert api.ask(f"{odd}/signal", word) == (200, {"eventId": "once"})
    wait_until(lambda: api.ask(odd)[1]["status"] == "completed")
    assert api.ask(odd)[1]["result"] == {"name": "yes", "by": "ann"}
    assert api.ask(path_of("0-parent.parent/1"))[1]["parent"] == "0-parent.parent"
    assert api.ask(f"{odd}/cancel", {})[0] == 409


def test_executions_are_cancelled_and_retried(api: Api) -> None:
    waits, failed = path_of("0-parent.parent"), path_of("0-fails.gated")
    assert api.ask(f"{waits}/cancel", raw=b"") == (200, {"status": "cancelled"})
    api.open_gate("closed")
    assert api.ask(f"{failed}/retry", {}) == (200, {"status": "running"})
    wait_until(lambda: api.ask(failed)[1]["status"] == "completed")
    assert api.ask(f"{failed}/retry", {})[0] == 409
    assert "over HTTP, by 127.0.0.1: execution '0-fails.gated' retried" in api.log()


def test_letters_are_redriven_and_purged_in_bounded_requests(api: Api) -> None:
    first, second = letters(api)
    failed = [
        api.ask(f"/api/dead-letters/{each}")[1]["executionId"]
        for each in (first, second)
    ]
    assert sorted(failed) == ["0-fails-too.gated", "0-fails.gated"]
    assert letters(api, f"?after={first}") == [second]
    assert letters(api, "?workflow=gated&error=PermanentError") == [first, second]
    assert letters(api, "?olderThanSeconds=3600") == []
    redrive, purge = "/api/dead-letters/redrive", "/api/dead-letters/purge"
    behind = {"workflow": "gated", "after": second}
    assert api.ask(purge, behind)[1] == {"done": 0, "refused": [], "left": 0}
    one = {"workflow": "gated", "limit": 1}
    assert api.ask(redrive, one) == (200, {"done": 1, "refused": [], "left": 1})
    # Its gate is shut: it fails again, and its letter is the last one now.
    wait_until(lambda: len(letters(api)) == 2)
    missing = {"ids": [second, "1-1"]}
    status, answer = api.ask(purge, missing)
    assert (status, answer["done"], answer["left"]) == (200, 1, 0)
    assert [each["id"] for each in answer["refused"]] == ["1-1"]
    assert api.ask(path_of(failed[1]))[0] == 404
    assert api.ask(purge, {"all": True})[1] == {"done": 1, "refused": [], "left": 0}


def test_what_fails_again_at_once_is_not_among_those_that_are_left(api: Api) -> None:
    before = len(letters(api))
    with api.client() as client:
        client.publish_many(
            {"name": "gated", "payload": {"gate": "shut"}} for _ in range(60)
        )
    wait_until(lambda: len(letters(api)) == before + 60)
    # It lasts until many of them have failed again, behind all the others.
    status, answer = api.ask(
        "/api/dead-letters/redrive", {"workflow": "gated", "limit": 60}
    )
    assert (status, answer) == (200, {"done": 60, "refused": [], "left": before})


@pytest.mark.parametrize(
    ("path", "body", "status", "named"),
    [
        ("/api/executions?status=lost", None, 400, "status"),
        ("/api/executions?stauts=failed", None, 400, "accepted is status, workflow"),
        ("/api/executions?limit=0", None, 400, "limit"),
        ("/api/executions?limit=1001", None, 400, "limit"),
        ("/api/executions?key=a&key=b", None, 400, "key"),
        ("/api/executions/0-no.such", None, 404, "0-no.such"),
        ("/api/dead-letters?olderThanSeconds=nan", None, 400, "olderThanSeconds"),
        ("/api/dead-letters?after=x", None, 400, "'x'"),
        ("/api/dead-letters/%D9%A1-%D9%A1", None, 404, "there is no dead letter"),
        ("/api/executions/0-no.such/cancel", {}, 404, "0-no.such"),
        ("/api/executions/0-no.such/retry", {}, 404, "0-no.such"),
        ("/api/executions/0-no.such/retry", {"now": 1}, 400, "now"),
        ("/api/executions/0-no.such/signal", {"payload": {}}, 400, "name"),
        ("/api/executions/0-x.y/signal", {"name": "a", "payload": 1}, 400, "payload"),
        ("/api/executions/0-x.y/signal?dry=1", {"name": "a"}, 400, "dry"),
        ("/api/dead-letters/purge", {}, 400, "which dead letters?"),
        ("/api/dead-letters/purge", {"workflow": ""}, 400, "which dead letters?"),
        ("/api/dead-letters/purge", {"all": False}, 400, "which dead letters?"),
        ("/api/dead-letters/redrive", {"ids": ["1-1\n"]}, 400, "can't be the id"),
        ("/api/dead-letters/redrive", {"all": True, "limit": 1001}, 400, "limit"),
    ],
)
def test_bad_questions_are_told_what_is_wrong(
    shared: Api, path: str, body: object, status: int, named: str
) -> None:
    answered, answer = shared.ask(path, body)
    assert (answered, set(answer)) == (status, {"error", "detail"})
    assert named in answer["detail"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with filled(tmp_path_factory.mktemp("shared"), HTTP_TOKEN=TOKEN) as service:
        yield service


def test_bodies_are_json_and_small(shared: Api) -> None:
    path = path_of(ODD) + "/signal"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert shared.ask(path, raw=b"name=yes", **form)[0] == 415
    assert shared.ask(path, raw=b"{")[0] == 400
    assert shared.ask(path, raw=b"[" * 50_000)[0] == 400
    assert shared.ask(path, raw=b"\xff\xfe")[0] == 400


def test_who_has_no_token_changes_and_reads_nothing(shared: Api) -> None:
    for path in ("/api/executions", "/api/fleet", "/api/openapi.json", path_of(ODD)):
        assert shared.ask(path, Authorization="Bearer wrong")[0] == 401
    for path in (path_of(ODD) + "/cancel", "/api/dead-letters/purge"):
        assert shared.ask(path, {}, Authorization="")[0] == 401
    assert len(letters(shared)) == 2


def test_the_fleet_is_told(shared: Api) -> None:
    def fleet() -> Any:
        return shared.ask("/api/fleet")[1]

    wait_until(lambda: fleet()["executions"]["running"] == 1)
    assert [each["lost"] for each in fleet()["instances"]] == [False]
    assert fleet()["deadLetters"] == 2
