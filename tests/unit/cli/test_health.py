"""The health command: an answer, or none, as an exit status."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.unit.cli.commands import closed, run
from workflow_worker.cli import health
from workflow_worker.settings import Settings

ANSWER = {
    "status": "healthy",
    "workerCount": 2,
    "healthyWorkers": 2,
    "degradedWorkers": 0,
    "unhealthyWorkers": 0,
    "eventsProcessed": 7,
    "eventsSucceeded": 6,
    "eventsFailed": 1,
    "activeEvents": 0,
    "timestamp": "2026-01-01T00:00:00.000Z",
}


WORKERS = b"""{"workers": [
    {"slot": 0, "status": "degraded", "reasons": ["Redis does not answer for 5 s"]},
    {"slot": 1, "status": "healthy", "reasons": []}
]}"""
OURS = "s3cret"


@contextmanager
def answering(body: bytes, status: int = 200) -> Iterator[str]:
    """A server that gives one answer to all, and to who has the token why."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == f"Bearer {OURS}"
            answers = {health.PATH: body}
            if known:
                answers[health.WORKERS_PATH] = WORKERS
            self.send_response(status if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(answers.get(self.path, b"{}"))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [("healthy", 200, 0), ("degraded", 200, 1), ("unhealthy", 503, 2)],
)
def test_health_is_an_exit_status(status: str, code: int, expected: int) -> None:
    body = json.dumps({**ANSWER, "status": status}).encode()
    with answering(body, code) as url:
        result = run("health", "--url", url)
    assert result.exit_code == expected
    assert result.output.startswith(f"{status}: 2 workers (2 healthy); 7 events")


def test_what_is_not_healthy_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_TOKEN", OURS)
    body = json.dumps({**ANSWER, "status": "degraded"}).encode()
    with answering(body) as url:
        result = run("health", "--http-port", url.rpartition(":")[2])
    assert result.output.splitlines()[1:] == [
        "  worker 0 is degraded: Redis does not answer for 5 s"
    ]


def test_the_token_is_not_sent_to_another_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_TOKEN", OURS)
    body = json.dumps({**ANSWER, "status": "degraded"}).encode()
    with answering(body) as url:
        result = run("health", "--url", url)
    assert result.output.splitlines()[1:] == [
        "  why: see wfworker status, or give this command the HTTP_TOKEN"
    ]


def test_health_passes_the_json_on() -> None:
    with answering(json.dumps(ANSWER).encode()) as url:
        result = run("health", "--json", "--http-port", url.rpartition(":")[2])
    assert json.loads(result.output) == ANSWER


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status": "ok"}', b"\xff"])
def test_a_foreign_answer_is_unhealthy(body: bytes) -> None:
    with answering(body) as url:
        result = run("health", "--url", url)
    assert result.exit_code == 2
    port = url.rpartition(":")[2]
    assert result.output == (
        f"unhealthy: no answer from http://127.0.0.1:{port}/api/health/worker: "
        "what answers there is no workflow-worker\n"
    )


def test_no_answer_is_unhealthy() -> None:
    result = run("health", "--http-port", str(closed()))
    assert result.exit_code == 2
    assert result.output.endswith("Connection refused\n")


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://h", "http://", "http://h:x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    result = run("health", "--url", url)
    assert (result.exit_code, result.output) == (
        2,
        "wfworker: --url must be like http://HOST:PORT\n",
    )


@pytest.mark.parametrize("port", ["off", "0"])
def test_health_without_a_known_port_asks_for_the_url(port: str) -> None:
    assert "--url" in run("health", "--http-port", port).stderr


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8090"),  # noqa: S104 - asked, not bound
        ("::", "http://[::1]:8090"),
        ("fe80::1", "http://[fe80::1]:8090"),
        ("box", "http://box:8090"),
    ],
)
def test_health_asks_where_it_can_be_reached(host: str, url: str) -> None:
    assert health.address(Settings(http_host=host)) == url + health.PATH
