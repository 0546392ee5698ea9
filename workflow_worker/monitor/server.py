"""The HTTP interface: health, probes, workers.

Owns the paths, the shape of their answers and who may read them. Every answer is
computed from the board at that moment. It must never change anything.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

import psutil
from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from workflow_worker.board import Board, LaneView, SlotView
from workflow_worker.clock import timestamp
from workflow_worker.health import ServiceHealth, Status, Verdict, judge, ready
from workflow_worker.settings import Settings

MASTER_SILENCE = 10.0
"""Seconds without a sign of life after which the master counts as stuck."""
OPEN_PATHS = frozenset({"/api/health/worker", "/livez", "/readyz"})
"""Open to everybody who can reach the port: they tell nothing but figures."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def make_app(settings: Settings, board: Board, now: Callable[[], float]) -> Flask:
    """Build the WSGI application.

    Args:
        settings: hang timeout, address and token.
        board: what it shows.
        now: the monotonic clock.
    """
    app = Flask("workflow_worker.monitor", static_folder=None, template_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined] # the default provider has it
    pages = Pages(settings, board, now)
    for path, page in (
        ("/api/health/worker", pages.health),
        ("/livez", pages.live),
        ("/readyz", pages.ready),
        ("/api/workers", pages.workers),
    ):
        app.add_url_rule(path, path, page, provide_automatic_options=False)
    app.before_request(Access(settings).check)
    app.after_request(_harden)
    app.register_error_handler(HTTPException, _refuse)
    return app


class Pages:
    """One method per path."""

    def __init__(
        self, settings: Settings, board: Board, now: Callable[[], float]
    ) -> None:
        self._hang_timeout_ms = settings.hang_timeout_ms
        self._board = board
        self._now = now

    def health(self) -> ResponseReturnValue:
        """Answer how the service fares; 503 when it does not work."""
        health, totals = self._judge(), self._board.totals()
        status = health.verdict.status
        body = {
            "status": status,
            "workerCount": health.seats,
            "healthyWorkers": health.count(Status.HEALTHY),
            "degradedWorkers": health.count(Status.DEGRADED),
            "unhealthyWorkers": health.count(Status.UNHEALTHY),
            # The sum, not a third counter: read one after the other, while workers
            # count on, three would not always add up.
            "eventsProcessed": totals.succeeded + totals.failed,
            "eventsSucceeded": totals.succeeded,
            "eventsFailed": totals.failed,
            "activeEvents": sum(view.active for view, _ in health.workers),
            "timestamp": timestamp(),
        }
        return jsonify(body), 503 if status is Status.UNHEALTHY else 200

    def live(self) -> ResponseReturnValue:
        """Answer whether the master is alive."""
        silence = self._now() - self._board.service().beat
        return _probe(silence <= MASTER_SILENCE, "live", "the master is silent")

    def ready(self) -> ResponseReturnValue:
        """Answer whether Redis answers and a worker is ready."""
        fit = ready(self._board.views(), self._now(), self._hang_timeout_ms)
        return _probe(fit, "ready", "no worker is ready")

    def workers(self) -> ResponseReturnValue:
        """Answer what every worker does, and how it fares and why."""
        now = self._now()
        rows = [_worker(view, verdict, now) for view, verdict in self._judge().workers]
        return jsonify({"workers": rows})

    def _judge(self) -> ServiceHealth:
        board, now = self._board, self._now()
        return judge(board.views(), board.service(), now, self._hang_timeout_ms)


class Access:
    """Who may read what is not open to everybody.

    With a token: who has it. Without: whoever is on this machine, if the address is
    one of its own; else those paths are not there at all.
    """

    def __init__(self, settings: Settings) -> None:
        self._token = settings.http_token
        self._private = _loopback(settings.http_host)

    def check(self) -> None:
        """Let the request pass or end it with 401 or 404."""
        if request.path in OPEN_PATHS:
            return
        if self._token:
            given = request.headers.get("Authorization", "")
            wanted = f"Bearer {self._token}"
            if not hmac.compare_digest(given.encode(), wanted.encode()):
                abort(401, "a bearer token is needed")
        elif not self._private:
            abort(404)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _worker(view: SlotView, verdict: Verdict, now: float) -> dict[str, object]:
    counters = view.counters
    return {
        "slot": view.index,
        "pid": view.pid or None,
        "status": verdict.status,
        "reasons": verdict.reasons,
        "activeEvents": view.active,
        "eventsProcessed": counters.succeeded + counters.failed,
        "heartbeatAgeMs": _ms(now - view.heartbeat) if view.pid else None,
        "startedAt": timestamp(view.started_ms) if view.started_ms else None,
        "residentBytes": _resident_bytes(view.pid),
        "running": [_running(lane, now) for lane in view.lanes],
    }


def _running(lane: LaneView, now: float) -> dict[str, object]:
    return {
        "executionId": lane.execution_id,
        "workflow": lane.workflow,
        "action": lane.action or None,
        "sinceMs": _ms(now - lane.since),
    }


def _ms(seconds: float) -> int:
    # A worker may have written after this request read the clock.
    return max(0, round(seconds * 1000))


def _resident_bytes(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else None
    except psutil.Error:
        return None


def _probe(fit: bool, name: str, reason: str) -> ResponseReturnValue:
    body = {"status": name} if fit else {"status": f"not {name}", "reason": reason}
    return jsonify(body), 200 if fit else 503


def _harden(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def _refuse(error: HTTPException) -> ResponseReturnValue:
    """Answer an error as JSON, with the headers it is to have, ``Allow`` say."""
    response = jsonify({"error": error.name, "detail": error.description})
    response.status_code = error.code or 500
    kept = (pair for pair in error.get_headers() if pair[0] != "Content-Type")
    response.headers.extend(kept)
    return response
