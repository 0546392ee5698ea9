"""What is told about each worker: over HTTP, and to the fleet.

Owns how it is read, all of it from the board at that moment.
"""

from __future__ import annotations

import psutil

from workflow_worker.board import LaneView, SlotView
from workflow_worker.broker.instances import Running, Worker
from workflow_worker.clock import timestamp
from workflow_worker.health import ServiceHealth, Verdict


def told(health: ServiceHealth, now: float) -> list[Worker]:
    """Return every worker: what it does, how it fares and why.

    Args:
        health: the verdicts as of now.
        now: monotonic seconds.
    """
    return [_worker(view, verdict, now) for view, verdict in health.workers]


def _worker(view: SlotView, verdict: Verdict, now: float) -> Worker:
    return Worker(
        slot=view.index,
        pid=view.pid or None,
        status=verdict.status.value,
        reasons=list(verdict.reasons),
        active_events=view.active,
        events_processed=view.counters.processed,
        heartbeat_age_ms=_ms(now - view.heartbeat) if view.pid else None,
        started_at=timestamp(view.started_ms) if view.started_ms else None,
        resident_bytes=_resident_bytes(view.pid),
        running=[_running(lane, now) for lane in view.lanes],
    )


def _running(lane: LaneView, now: float) -> Running:
    return Running(
        lane.execution_id, lane.workflow, lane.action or None, _ms(now - lane.since)
    )


def _ms(seconds: float) -> int:
    # A worker may have written after this request read the clock.
    return max(0, round(seconds * 1000))


def _resident_bytes(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else None
    except psutil.Error:
        return None
