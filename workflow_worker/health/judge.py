"""How rules add up: to a verdict on a worker, and on the service.

Owns what the service is, seen as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workflow_worker.board import ServiceView, SlotView, State
from workflow_worker.health.rule import (
    Rule,
    ServiceHealth,
    Status,
    Verdict,
    applied,
)
from workflow_worker.health.rules import WORKER_RULES, Look, redis_away

REDIS_AWAY = 60.0
"""Seconds without Redis after which the whole service is down."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """The service and what it takes to judge it; its seats with their verdicts."""

    service: ServiceView
    seats: Sequence[tuple[SlotView, Verdict]]
    now: float


def _none_works(whole: _Whole) -> str:
    works = any(verdict.status is not Status.UNHEALTHY for _, verdict in whole.seats)
    return "" if works else "no worker works"


def _without_redis(whole: _Whole) -> str:
    # A seat that is vacant for other reasons has nobody to ask it.
    away = all(
        redis_away(view, whole.now) > REDIS_AWAY
        for view, verdict in whole.seats
        if verdict.status is not Status.UNHEALTHY
    )
    return "Redis is away for long" if away else ""


def _stopping(whole: _Whole) -> str:
    return "stopping" if whole.service.stopping else ""


SERVICE_RULES: tuple[Rule[_Whole], ...] = (
    Rule(
        Status.UNHEALTHY,
        "every worker is unhealthy",
        "see what the workers' reasons say",
        _none_works,
    ),
    Rule(
        Status.UNHEALTHY,
        f"Redis does not answer any worker for more than {REDIS_AWAY:.0f} s",
        "look after Redis and the way to it; nothing is lost, the workers wait for it",
        _without_redis,
    ),
    Rule(
        Status.DEGRADED,
        "it was told to stop",
        "nothing",
        _stopping,
    ),
)
"""The first one that applies gives the status; if none does, the workers give it."""
WORKERS_SAY = (Status.DEGRADED, "some worker is not healthy")
"""What applies otherwise, unless all are."""


def judge_worker(view: SlotView, now: float, hang_timeout_ms: int) -> Verdict:
    """Judge one worker.

    Args:
        view: its slot.
        now: monotonic seconds.
        hang_timeout_ms: silence after which it counts as hung.
    """
    look = Look(view, now, hang_timeout_ms / 1000)
    found = applied(WORKER_RULES, look)
    if not found:
        return Verdict(Status.HEALTHY)
    return Verdict(found[0][0], tuple(reason for _, reason in found))


def judge(
    views: Iterable[SlotView], service: ServiceView, now: float, hang_timeout_ms: int
) -> ServiceHealth:
    """Judge the service: healthy when all its workers are, unhealthy when none works.

    Args:
        views: the slots in use.
        service: what the master says of itself.
        now: monotonic seconds.
        hang_timeout_ms: silence after which a worker counts as hung.
    """
    workers = tuple((view, judge_worker(view, now, hang_timeout_ms)) for view in views)
    seats = [(view, verdict) for view, verdict in workers if view.serving]
    return ServiceHealth(_judge_service(_Whole(service, seats, now)), workers)


def _judge_service(whole: _Whole) -> Verdict:
    reasons = tuple(
        f"worker {view.index}: {reason}"
        for view, verdict in whole.seats
        for reason in verdict.reasons
    )
    found = applied(SERVICE_RULES, whole)
    if found:
        return Verdict(found[0][0], (found[0][1], *reasons))
    return Verdict(WORKERS_SAY[0] if reasons else Status.HEALTHY, reasons)


def redis_state(views: Iterable[SlotView]) -> str:
    """Return ``up`` if Redis answers some worker, ``down`` if none, else ``unknown``.

    Unknown while no worker is there to ask it.
    """
    views = [view for view in views if view.ready_at or view.redis_down_since]
    if not views:
        return "unknown"
    return "up" if any(not view.redis_down_since for view in views) else "down"


def ready(views: Iterable[SlotView], now: float, hang_timeout_ms: int) -> bool:
    """Tell whether some worker takes events: ready, alive, and Redis answers it."""
    return any(
        view.state is State.READY
        and not view.redis_down_since
        and now - view.heartbeat <= hang_timeout_ms / 1000
        for view in views
    )
