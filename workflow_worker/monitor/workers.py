"""What is told about each worker: over HTTP, and to the fleet.

Owns the shape. Everything in it is read from the board at that moment.
"""

from __future__ import annotations

import psutil

from workflow_worker.board import LaneView, SlotView
from workflow_worker.clock import timestamp
from workflow_worker.health import ServiceHealth, Verdict
from workflow_worker.model import Json


def rows(health: ServiceHealth, now: float) -> list[Json]:
    """Return every worker as a JSON object: what it does, how it fares and why.

    Args:
        health: the verdicts as of now.
        now: monotonic seconds.
    """
    return [row(view, verdict, now) for view, verdict in health.workers]


def row(view: SlotView, verdict: Verdict, now: float) -> Json:
    """Return one worker as it stands in :func:`rows`."""
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


def _running(lane: LaneView, now: float) -> Json:
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
