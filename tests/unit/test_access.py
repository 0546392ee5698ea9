"""Who may read and change what over HTTP."""

from __future__ import annotations

import dataclasses
import os
import re

import pytest
from flask.testing import FlaskClient

from workflow_worker.board import Board
from workflow_worker.clock import monotonic
from workflow_worker.monitor.server import make_app
from workflow_worker.settings import Settings

HEALTH = "/api/health/worker"
TOKEN = "right"  # noqa: S105 - of this test
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound
OPEN = (HEALTH, "/livez", "/readyz", "/metrics")
READING = (
    "/api/workers",
    "/api/openapi.json",
    "/api/fleet",
    "/api/executions",
    "/api/executions/0-o-1.fulfil",
    "/api/dead-letters",
    "/api/dead-letters/1767323045678-0",
)
WRITING = (
    "/api/executions/0-o-1.fulfil/signal",
    "/api/executions/0-o-1.fulfil/cancel",
    "/api/executions/0-o-1.fulfil/retry",
    "/api/dead-letters/redrive",
    "/api/dead-letters/purge",
)


@pytest.fixture
def board() -> Board:
    """One worker that is ready."""
    board = Board.create(1, 1)
    board.beat()
    slot = board.slots[0]
    slot.seat(serving=True)
    slot.hand_over(restarted=False)
    slot.inhabited(os.getpid())
    slot.begin("c")
    slot.ready()
    return board


def client(board: Board, **changes: object) -> FlaskClient:
    nowhere = Settings(worker_count=1, redis_url="redis://127.0.0.1:1/0")
    settings = dataclasses.replace(nowhere, **changes)  # type: ignore[arg-type]
    return make_app(settings, board, monotonic, bytes).test_client()


def test_with_a_token_only_its_owner_sees_the_workers(board: Board) -> None:
    guarded = client(board, http_token=TOKEN)
    wrong = {"Authorization": "Bearer wrong"}
    right = {"Authorization": "Bearer right"}
    assert guarded.get("/api/workers").status_code == 401
    assert guarded.get("/api/workers", headers=wrong).status_code == 401
    assert guarded.get("/api/workers", headers=right).status_code == 200


def test_a_strange_token_is_wrong_and_nothing_worse(board: Board) -> None:
    guarded = client(board, http_token=TOKEN)
    strange = {"Authorization": "Bearer \xfc"}
    assert guarded.get("/api/workers", headers=strange).status_code == 401


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("bearer right", 200),
        ("BEARER  right", 200),
        ("right", 401),
        ("Basic right", 401),
        ("Bearer", 401),
        ("Bearer right right", 401),
        ("Bearer Right", 401),
    ],
)
def test_the_scheme_is_read_in_any_case_and_the_token_in_its_own(
    board: Board, given: str, status: int
) -> None:
    guarded = client(board, http_token=TOKEN)
    headers = {"Authorization": given}
    assert guarded.get("/api/workers", headers=headers).status_code == status


@pytest.mark.parametrize("path", OPEN)
def test_health_probes_and_metrics_need_no_token(board: Board, path: str) -> None:
    guarded = client(board, http_token=TOKEN, http_host=EVERYWHERE)
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1", "example.com"])
def test_without_a_token_an_open_address_shows_health_alone(
    board: Board, host: str
) -> None:
    assert client(board, http_host=host).get("/api/workers").status_code == 404
    assert client(board, http_host=host).get("/livez").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_without_a_token_this_machine_sees_the_workers(board: Board, host: str) -> None:
    assert client(board, http_host=host).get("/api/workers").status_code == 200


def test_a_client_without_the_token_is_told_what_kind_is_needed(board: Board) -> None:
    answer = client(board, http_token=TOKEN).get("/api/workers")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [*READING, "/nowhere"])
def test_with_a_token_nobody_else_learns_which_paths_there_are(
    board: Board, path: str
) -> None:
    assert client(board, http_token=TOKEN).get(path).status_code == 401


@pytest.mark.parametrize("path", WRITING)
def test_without_a_token_there_is_nothing_to_change(board: Board, path: str) -> None:
    assert client(board).post(path, json={}).status_code == 404
    described = client(board).get("/api/openapi.json").json
    assert described is not None
    assert not [each for each in described["paths"].values() if "post" in each]


@pytest.mark.parametrize("path", WRITING)
def test_with_a_token_only_its_owner_changes_anything(board: Board, path: str) -> None:
    guarded = client(board, http_token=TOKEN, http_host=EVERYWHERE)
    assert guarded.post(path, json={}).status_code == 401
    right = {"Authorization": f"Bearer {TOKEN}"}
    wrong_kind = guarded.post(path, data="a=b", headers=right)
    assert wrong_kind.status_code == 415


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8090", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8090", 200),
        ("[::1]:8090", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:8090", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_a_name_that_was_made_to_lead_here_reads_nothing(
    board: Board, host: str, status: int
) -> None:
    headers = {"Host": host}
    assert client(board).get("/api/workers", headers=headers).status_code == status
    assert client(board).get(HEALTH, headers=headers).status_code == 200


def test_no_page_of_another_site_is_let_in(board: Board) -> None:
    answer = client(board).get(
        "/api/workers", headers={"Origin": "http://evil.example"}
    )
    assert not [name for name, _ in answer.headers if name.startswith("Access-")]


@pytest.mark.parametrize("path", READING[2:])
def test_without_redis_what_needs_it_says_so(board: Board, path: str) -> None:
    answer = client(board).get(path)
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["detail"].startswith("Redis can't be reached")
    assert answer.headers["Retry-After"] == "1"


def test_every_path_is_described(board: Board) -> None:
    app = client(board, http_token=TOKEN).application
    right = {"Authorization": f"Bearer {TOKEN}"}
    described = app.test_client().get("/api/openapi.json", headers=right).json
    assert described is not None
    there = {
        (re.sub(r"<.*>", "{id}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    said = {
        (path, method) for path, item in described["paths"].items() for method in item
    }
    assert said == there
