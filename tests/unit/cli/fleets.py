"""Fleets to show: each figure as a test wants it, the rest plain."""

from __future__ import annotations

from typing import Any

from workflow_worker.client import Figures, Fleet, Instance, Running, Worker

NOW_MS = 1_767_323_045_678
AT = "2026-01-02T03:04:05.678Z"
HOUR_AGO = "2026-01-02T02:04:05.678Z"


def figures(**fields: Any) -> Figures:
    plain: dict[str, Any] = {
        "server_ms": NOW_MS,
        "backlog": 0,
        "pending": 0,
        "oldest_waiting_ms": None,
        "oldest_pending_ms": None,
        "timers": 0,
        "next_timer_ms": None,
        "dead_letters": 0,
        "counters": {},
        "executions": {"running": 0, "waiting": 0},
    }
    return Figures(**(plain | fields))


def worker(slot: int = 0, *running: Running, **fields: Any) -> Worker:
    plain: dict[str, Any] = {
        "pid": 100 + slot,
        "status": "healthy",
        "active_events": len(running),
        "heartbeat_age_ms": 200,
        "started_at": HOUR_AGO,
        "resident_bytes": 40 * 1024 * 1024,
    }
    return Worker(slot=slot, running=list(running), **(plain | fields))


def instance(name: str = "i-1", *workers: Worker, **fields: Any) -> Instance:
    plain: dict[str, Any] = {
        "host": "h",
        "pid": 99,
        "version": "1.0",
        "app": "shop:app",
        "started_at": HOUR_AGO,
        "http_address": "127.0.0.1:8090",
        "status": "healthy",
        "worker_count": len(workers),
        "healthy_workers": len(workers),
        "active_events": sum(each.active_events for each in workers),
    }
    return Instance(name=name, workers=list(workers), **(plain | fields))


def fleet(*instances: Instance, **fields: Any) -> Fleet:
    return Fleet(list(instances), figures(**fields))
