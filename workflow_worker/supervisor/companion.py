"""Processes beside the workers, one of each: the monitor and the watcher.

Owns their being there: one that died is started again, with back-off. It must never
decide whether they are wanted.
"""

from __future__ import annotations

import logging
import math
import os
import signal
from collections.abc import Callable

from workflow_worker.clock import monotonic
from workflow_worker.health import ending
from workflow_worker.supervisor.backoff import delay
from workflow_worker.supervisor.entries import UNUSABLE

log = logging.getLogger(__name__)

BRIEF = 1.0
"""Seconds of life too short to be meant, even where it ended in order."""
SETTLED = 10.0
"""Seconds of life after which a death is the first one again."""


class Companion:
    """One process to keep alive.

    Attributes:
        name: its role.
        pid: 0 while it does not run.
        due_at: monotonic seconds when it is to be started.
    """

    def __init__(self, name: str, start: Callable[[], int]) -> None:
        self.name = name
        self.pid = 0
        self.due_at = 0.0
        self._start = start
        self._streak = 0
        self._renewed = False
        self._forked_at = 0.0

    def keep(self, now: float) -> None:
        """Start it if it does not run and is due."""
        if self.pid or now < self.due_at:
            return
        self._forked_at = now
        try:
            self.pid = self._start()
        except OSError as error:
            self._back_off(f"could not be started: {error}")

    def ended(self, status: int) -> None:
        """Note that it was reaped with this exit status, minus the signal if one."""
        self.pid = 0
        if status in UNUSABLE:
            self.due_at = math.inf
        lived = monotonic() - self._forked_at
        if lived > SETTLED:
            self._streak = 0
        if not self._renewed and (status or lived < BRIEF):
            self._back_off(f"ended by {ending(status)}")
        self._renewed = False

    def renew(self) -> None:
        """Let it end in order; its successor starts at once."""
        if self.pid:
            self._renewed = True
            os.kill(self.pid, signal.SIGTERM)

    def end(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs, and start it no more."""
        self.due_at = math.inf
        if self.pid:
            os.kill(self.pid, number)

    def _back_off(self, what: str) -> None:
        if math.isinf(self.due_at):
            return
        self._streak += 1
        pause = delay(self._streak)
        self.due_at = monotonic() + pause
        log.warning("%s %s; the next one starts in %.1f s", self.name, what, pause)
