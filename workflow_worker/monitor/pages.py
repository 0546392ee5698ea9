"""What is answered from the board alone: health, probes, workers, metrics.

Owns the shape of these answers. They never need Redis, so they come while it is away.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from workflow_worker.board import Board
from workflow_worker.clock import timestamp
from workflow_worker.health import ServiceHealth, Status, judge, ready
from workflow_worker.monitor import workers

MASTER_SILENCE = 10.0
"""Seconds without a sign of life after which the master counts as stuck."""
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the Prometheus text format."""


class Pages:
    """One method per path.

    Args:
        board: what is shown.
        now: the monotonic clock.
        hang_timeout_ms: silence after which a worker counts as hung.
        metrics: returns the Prometheus text.
    """

    def __init__(
        self,
        board: Board,
        now: Callable[[], float],
        hang_timeout_ms: int,
        metrics: Callable[[], bytes],
    ) -> None:
        self._board = board
        self._now = now
        self._hang_timeout_ms = hang_timeout_ms
        self._metrics = metrics

    def health(self) -> ResponseReturnValue:
        """Answer how the service fares; 503 when it does not work."""
        health, totals = self._judge(self._now()), self._board.totals()
        status = health.verdict.status
        body = {
            "status": status,
            "workerCount": health.seats,
            "healthyWorkers": health.count(Status.HEALTHY),
            "degradedWorkers": health.count(Status.DEGRADED),
            "unhealthyWorkers": health.count(Status.UNHEALTHY),
            "eventsProcessed": totals.processed,
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
        return _probe(fit, "ready", "no worker is ready and reaches Redis")

    def workers(self) -> ResponseReturnValue:
        """Answer what every worker does, and how it fares and why."""
        now = self._now()
        return jsonify(
            {"workers": msgspec.to_builtins(workers.told(self._judge(now), now))}
        )

    def metrics(self) -> ResponseReturnValue:
        """Answer what Prometheus scrapes."""
        return Response(self._metrics(), content_type=EXPOSITION)

    def _judge(self, now: float) -> ServiceHealth:
        board = self._board
        return judge(board.views(), board.service(), now, self._hang_timeout_ms)


def _probe(fit: bool, name: str, reason: str) -> ResponseReturnValue:
    body = {"status": name} if fit else {"status": f"not {name}", "reason": reason}
    return jsonify(body), 200 if fit else 503
