"""A worker whose parts take turns in one thread: the same events, the same steps.

All its parts are the real ones, and so is the server; only threads, and with them
chance, are left out: the reader reads, one hand runs what came, the committer commits.
"""

from __future__ import annotations

import os
from types import FrameType
from typing import Any

from tests.apps.costs import app
from workflow_worker.board import Board
from workflow_worker.clock import monotonic
from workflow_worker.metrics import values
from workflow_worker.metrics.page import Page
from workflow_worker.settings import Settings
from workflow_worker.worker.main import WorkflowWorker

NAMESPACE = "costs"
QUICK, LONG = 0.00001, 60.0
"""Seconds an event takes, and until something is due besides."""


class Stepped:
    """One worker, ready to take its first event."""

    def __init__(self, redis_url: str, batch_size: int) -> None:
        settings = Settings(
            redis_url=redis_url,
            workflow_namespace=NAMESPACE,
            batch_size=batch_size,
            poll_interval_ms=1,
        )
        [slot] = Board.create(1, settings.concurrency_limit).slots
        slot.hand_over(restarted=False)
        slot.inhabited(os.getpid())
        slot.begin("stepped")
        values.keep_on(Page(slot.metrics))
        worker = WorkflowWorker(settings, slot, app, "stepped")
        self._reader, self._committer = worker._reader, worker._committer
        self._pool, self._leases = worker._pool, worker._leases
        self._pool.committer = worker._committer
        self._hand = self._pool._hand(0)
        self._reader._first(())

    def turn(self) -> int:
        """Let each part do its work once; return how many runs that were."""
        self._stop_time()
        self._reader._turn()
        self._pool.line.end()
        self._hand.work()
        runs = self._committer.waiting
        if runs:
            self._committer._commit_ready()
        return runs

    def _stop_time(self) -> None:
        """Have nothing depend on how quick this machine is."""
        now = monotonic()
        self._pool._pace = QUICK
        self._leases._renewed_at = now
        self._reader._claim_at = self._reader._refresh_at = now + LONG

    def until(self, runs: int) -> None:
        """Take turns until so many runs have been committed."""
        for _ in range(2 * runs + 10):
            runs -= self.turn()
            if runs <= 0:
                return
        message = f"{runs} runs are missing"
        raise AssertionError(message)


class Instructions:
    """Counts bytecode instructions of this thread."""

    def __init__(self) -> None:
        self.count = 0

    def frame(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Trace a function, as :func:`sys.settrace` has it."""
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self._trace

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode":
            self.count += 1
        return self._trace
