"""The metrics line: what the service did, for people who only have the log.

Owns its wording. It must never decide how the service fares: ``health`` does.
"""

from __future__ import annotations

import logging

from workflow_worker.board import Board
from workflow_worker.health import redis_state

log = logging.getLogger("workflow_worker.metrics")


class Reporter:
    """Logs one line per call, with the rate since the one before.

    Args:
        board: where the figures are.
        now: monotonic seconds.
    """

    def __init__(self, board: Board, now: float) -> None:
        self._board = board
        self._at = now
        self._processed = board.totals().processed

    def report(self, now: float) -> None:
        """Log the line.

        Args:
            now: monotonic seconds.
        """
        figures = self.figures(now)
        self._at = now
        self._processed = self._board.totals().processed
        line = " ".join(f"{name}={value}" for name, value in figures.items())
        log.info("%s", line, extra={"metrics": figures})

    def figures(self, now: float) -> dict[str, int | float | str]:
        """Return what the line says, by name; rate is in events per second."""
        views, totals = self._board.views(), self._board.totals()
        done = totals.processed
        # Never zero: two lines may fall together at the end.
        seconds = max(now - self._at, 0.001)
        return {
            "processed": done,
            "succeeded": totals.succeeded,
            "failed": totals.failed,
            "per_second": round((done - self._processed) / seconds, 1),
            "active": sum(view.active for view in views),
            "workers": sum(view.serving and view.pid > 0 for view in views),
            "restarts": self._board.service().restarts,
            "redis": redis_state(views),
        }
