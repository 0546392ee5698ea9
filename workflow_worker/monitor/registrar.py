"""Tells the fleet, every two seconds, that this instance lives and how it fares.

Owns what is left out of it: everybody who looks reads all of it. It must never end the
monitor: whatever Redis says, there is a next time.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable

import msgspec
import psutil

from workflow_worker.board import Board
from workflow_worker.broker import instances
from workflow_worker.broker.connection import Link
from workflow_worker.broker.instances import BEAT_S, Instance, Worker
from workflow_worker.broker.keys import Partition
from workflow_worker.clock import timestamp, wall_ms
from workflow_worker.errors import WorkflowWorkerError
from workflow_worker.health import ServiceHealth, Status, judge
from workflow_worker.monitor import workers
from workflow_worker.settings import Settings
from workflow_worker.threads import spawn
from workflow_worker.version import VERSION

log = logging.getLogger(__name__)

MOST_RUNNING = 200
"""Busy threads that are told; of more, those that are busy for longest."""
MOST_REASONS = 20
"""Reasons that are told of the service; each worker has its own besides."""
RATE_BEATS = 5
"""Beats over which the rate is taken: ten seconds."""
LAST_WORD = 0.5
"""Seconds that leaving the fleet may take."""


class Registrar:
    """One instance's voice in the fleet.

    Args:
        settings: where Redis is, and what is told.
        board: what it tells about.
        name: of this instance.
        listener: where it answers HTTP; None for nowhere.
        now: the monotonic clock.
    """

    def __init__(
        self,
        settings: Settings,
        board: Board,
        name: str,
        listener: socket.socket | None,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._board = board
        self._name = name
        self._now = now
        self._partition = Partition(settings.workflow_namespace)
        self._link = Link(settings.redis_url)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._silenced = False
        self._done: deque[tuple[float, int]] = deque(maxlen=RATE_BEATS + 1)
        self._lasting = Instance(
            host=socket.gethostname(),
            pid=os.getppid(),
            version=VERSION,
            app=settings.workflow_app,
            started_at=timestamp(_started_ms(os.getppid())),
            http_address=_address(listener),
        )

    def start(self) -> None:
        """Tell it from now on, in a thread."""
        self._thread = spawn("registrar", self.run)

    def run(self) -> None:
        """Tell it until the end; leave the fleet if that is the end of the service.

        A monitor that is only replaced, and one whose master was killed, don't leave:
        the successor goes on, or the fleet is to see that this instance is lost.
        """
        while True:
            self._try(lambda: self._register(self.said()))
            if self._ending.wait(BEAT_S):
                break
        if self._board.service().stopping:
            self._try(self._unregister)

    def end(self) -> None:
        """Say the last word, as far as Redis listens."""
        self._ending.set()
        if self._thread:
            self._thread.join(LAST_WORD)

    def said(self) -> Instance:
        """Return what there is to tell now."""
        board, now = self._board, self._now()
        service, totals = board.service(), board.totals()
        hang_timeout_ms = self._settings.hang_timeout_ms
        health = judge(board.views(), service, now, hang_timeout_ms)
        told, left_out = workers_told(health, now)
        return msgspec.structs.replace(
            self._lasting,
            status=health.verdict.status.value,
            reasons=list(health.verdict.reasons[:MOST_REASONS]),
            worker_count=health.seats,
            healthy_workers=health.count(Status.HEALTHY),
            degraded_workers=health.count(Status.DEGRADED),
            unhealthy_workers=health.count(Status.UNHEALTHY),
            events_processed=totals.processed,
            events_succeeded=totals.succeeded,
            events_failed=totals.failed,
            active_events=sum(view.active for view, _ in health.workers),
            events_per_second=self._rate(now, totals.processed),
            restarts=service.restarts,
            workers=told,
            running_left_out=left_out,
        )

    def _register(self, said: Instance) -> None:
        instances.register(self._link, self._partition, self._name, said)

    def _unregister(self) -> None:
        instances.unregister(self._link, self._partition, self._name)

    def _try(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except WorkflowWorkerError as error:
            if not self._silenced:
                log.warning("the fleet does not hear of this instance: %s", error)
            self._silenced = True
        except Exception:  # what is wrong here must not end the probes
            if not self._silenced:
                log.exception("the fleet does not hear of this instance")
            self._silenced = True
        else:
            if self._silenced:
                log.info("the fleet hears of this instance again")
            self._silenced = False

    def _rate(self, now: float, processed: int) -> float:
        self._done.append((now, processed))
        since, before = self._done[0]
        return round((processed - before) / (now - since), 1) if now > since else 0.0


def workers_told(health: ServiceHealth, now: float) -> tuple[list[Worker], int]:
    """Return what is told of each worker, and how many busy threads are left out.

    Args:
        health: the verdicts as of now.
        now: monotonic seconds.
    """
    rows = workers.told(health, now)
    ages = sorted((each.since_ms for row in rows for each in row.running), reverse=True)
    if len(ages) <= MOST_RUNNING:
        return rows, 0
    room, youngest = MOST_RUNNING, ages[MOST_RUNNING - 1]
    kept = []
    for row in rows:
        running = [each for each in row.running if each.since_ms >= youngest][:room]
        room -= len(running)
        kept.append(msgspec.structs.replace(row, running=running))
    return kept, len(ages) - MOST_RUNNING + room


def _started_ms(pid: int) -> int:
    try:
        return round(psutil.Process(pid).create_time() * 1000)
    except psutil.Error:
        return wall_ms()


def _address(listener: socket.socket | None) -> str | None:
    """Return where a socket listens, as it stands in a URL."""
    if not listener:
        return None
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
