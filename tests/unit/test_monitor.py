"""The HTTP interface and the metrics line, on a board filled by hand."""

from __future__ import annotations

import dataclasses
import os
import re

import pytest
from flask.testing import FlaskClient

from workflow_worker.board import Board, Restart, Slot
from workflow_worker.clock import monotonic
from workflow_worker.monitor.report import Reporter
from workflow_worker.monitor.server import make_app
from workflow_worker.settings import Settings

HEALTH = "/api/health/worker"
HEALTH_KEYS = [
    "status",
    "workerCount",
    "healthyWorkers",
    "degradedWorkers",
    "unhealthyWorkers",
    "eventsProcessed",
    "eventsSucceeded",
    "eventsFailed",
    "activeEvents",
    "timestamp",
]


@pytest.fixture
def board() -> Board:
    board = Board.create(4, 2)
    board.beat()
    return board


def client(board: Board, **changes: object) -> FlaskClient:
    settings = dataclasses.replace(Settings(worker_count=2), **changes)  # type: ignore[arg-type]
    return make_app(settings, board, monotonic, bytes).test_client()


def worker(board: Board, number: int, *, pid: int = 0) -> Slot:
    slot = board.slots[number]
    slot.seat(serving=True)
    slot.hand_over(restarted=False)
    slot.inhabited(pid or os.getpid())
    slot.begin(f"c-{number}")
    slot.ready()
    return slot


def test_health_has_exactly_the_keys_of_the_contract(board: Board) -> None:
    worker(board, 0)
    answer = client(board).get(HEALTH)
    assert answer.json is not None
    assert list(answer.json) == HEALTH_KEYS
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(stamp, answer.json["timestamp"])


def test_a_healthy_service_answers_200_with_its_figures(board: Board) -> None:
    worker(board, 0).add(succeeded=4, failed=1)
    second = worker(board, 1)
    second.add(succeeded=2, ignored=7, retried=3)
    second.lane(1).start(1, 0, 1, b"w", b"x")
    answer = client(board).get(HEALTH)
    assert answer.status_code == 200
    figures = dict(answer.json or {})
    assert figures.pop("timestamp")
    assert figures == {
        "status": "healthy",
        "workerCount": 2,
        "healthyWorkers": 2,
        "degradedWorkers": 0,
        "unhealthyWorkers": 0,
        "eventsProcessed": 7,
        "eventsSucceeded": 6,
        "eventsFailed": 1,
        "activeEvents": 1,
    }


def test_a_degraded_service_still_answers_200(board: Board) -> None:
    worker(board, 0)
    worker(board, 1).draining()
    answer = client(board).get(HEALTH)
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["status"], answer.json["degradedWorkers"]) == ("degraded", 1)


def test_an_unhealthy_service_answers_503(board: Board) -> None:
    worker(board, 0).vacated(-9)
    answer = client(board).get(HEALTH)
    assert answer.status_code == 503
    assert answer.json is not None
    assert (answer.json["status"], answer.json["unhealthyWorkers"]) == ("unhealthy", 1)


def test_what_a_dead_worker_did_still_counts(board: Board) -> None:
    slot = worker(board, 0)
    slot.add(succeeded=3)
    slot.vacated(-9)
    slot.seat(serving=False)
    answer = client(board).get(HEALTH)
    assert answer.json is not None
    assert answer.json["eventsProcessed"] == 3


def test_the_service_is_live_while_its_master_is(board: Board) -> None:
    assert client(board).get("/livez").status_code == 200
    silent = Board.create(1, 1)
    app = make_app(Settings(worker_count=1), silent, lambda: 100.0, bytes)
    assert app.test_client().get("/livez").status_code == 503


def test_the_service_is_ready_once_a_worker_is(board: Board) -> None:
    slot = board.slots[0]
    slot.seat(serving=True)
    slot.hand_over(restarted=False)
    slot.inhabited(1)
    slot.begin("c")
    assert client(board).get("/readyz").status_code == 503
    slot.ready()
    assert client(board).get("/readyz").status_code == 200


def test_the_service_is_not_ready_without_redis(board: Board) -> None:
    worker(board, 0).redis_down(monotonic())
    assert client(board).get("/readyz").status_code == 503


def test_workers_shows_who_runs_what_since_when(board: Board) -> None:
    lane = worker(board, 1).lane(0)
    lane.start(1, 0, 1, b"fulfil", b"0-1-0.fulfil")
    lane.acting(b"charge")
    answer = client(board).get("/api/workers")
    assert answer.json is not None
    (row,) = answer.json["workers"]
    assert (row["slot"], row["pid"], row["status"]) == (1, os.getpid(), "healthy")
    assert (row["reasons"], row["activeEvents"]) == ([], 1)
    assert row["residentBytes"] > 0
    assert row["heartbeatAgeMs"] >= 0
    assert row["startedAt"].endswith("Z")
    (running,) = row["running"]
    assert running.pop("sinceMs") >= 0
    assert running == {
        "executionId": "0-1-0.fulfil",
        "workflow": "fulfil",
        "action": "charge",
    }


def test_workers_says_why_one_is_not_healthy(board: Board) -> None:
    slot = worker(board, 0)
    slot.vacated(-11)
    slot.backs_off(4, monotonic() + 60)
    answer = client(board).get("/api/workers")
    assert answer.json is not None
    (row,) = answer.json["workers"]
    assert (row["pid"], row["status"]) == (None, "unhealthy")
    assert row["reasons"][0].startswith("crash loop: died 4 times in a row")
    assert (row["heartbeatAgeMs"], row["residentBytes"]) == (None, None)


def test_metrics_are_text_for_prometheus(board: Board) -> None:
    app = make_app(Settings(worker_count=1), board, monotonic, lambda: b"m 1\n")
    answer = app.test_client().get("/metrics")
    assert answer.data == b"m 1\n"
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_head_is_get_without_a_body(board: Board) -> None:
    answer = client(board).head("/livez")
    assert (answer.status_code, answer.data) == (200, b"")


def test_a_process_gone_meanwhile_is_no_error(board: Board) -> None:
    worker(board, 0, pid=2**22 + 1)
    answer = client(board).get("/api/workers")
    assert answer.json is not None
    assert answer.json["workers"][0]["residentBytes"] is None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/workers/", 404),
        ("GET", "/api//workers", 404),
        ("POST", HEALTH, 405),
        ("OPTIONS", "/livez", 405),
    ],
)
def test_errors_are_json(board: Board, method: str, path: str, status: int) -> None:
    answer = client(board).open(path, method=method)
    assert answer.status_code == status
    assert answer.is_json
    assert set(answer.json or {}) == {"error", "detail"}


def test_a_wrong_method_is_told_the_right_ones(board: Board) -> None:
    assert "GET" in client(board).delete(HEALTH).headers["Allow"]


def test_a_bug_of_ours_is_json_and_tells_nothing(board: Board) -> None:
    def broken() -> float:
        raise RuntimeError("secret")

    app = make_app(Settings(worker_count=1), board, broken, bytes)
    answer = app.test_client().get("/livez")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert set(answer.json or {}) == {"error", "detail"}


@pytest.mark.parametrize("path", [HEALTH, "/api/workers", "/nowhere"])
def test_every_answer_is_hardened_and_never_cached(board: Board, path: str) -> None:
    headers = client(board).get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"


def test_the_metrics_line_tells_totals_and_the_rate_since_the_last(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    slot = worker(board, 0)
    slot.add(succeeded=9, failed=1)
    reporter = Reporter(board, 100.0)
    slot.add(succeeded=30)
    slot.lane(0).start(1, 0, 1, b"w", b"x")
    board.count_restart(Restart.DIED)
    with caplog.at_level("INFO", "workflow_worker.metrics"):
        reporter.report(110.0)
        reporter.report(120.0)
    first, second = caplog.messages
    assert first == (
        "processed=40 succeeded=39 failed=1 per_second=3.0 active=1 workers=1 "
        "restarts=1 redis=up"
    )
    assert "per_second=0.0" in second
