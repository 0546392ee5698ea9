"""Who is healthy: a table of small rules over what the board shows.

Owns the meaning of healthy, degraded and unhealthy, for one worker and for the whole
service. Pure: it must never read a clock, the board or Redis; master and monitor hand
in what they see and so come to the same verdict.
"""

from __future__ import annotations

import enum
import math
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workflow_worker.board import ServiceView, SlotView, State

START_GRACE = 30.0
"""Seconds a worker may take to become ready."""
RESTART_SHOWS = 10.0
"""Seconds for which a replacement shows as restarted."""
REDIS_BLIP = 2.0
"""Seconds without Redis that are nobody's business."""
REDIS_AWAY = 60.0
"""Seconds without Redis after which the whole service is down."""
CRASH_LOOP = 3
"""Deaths in a row, without any work between them, that are no accident."""


class Status(enum.StrEnum):
    """How something fares."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status, and every reason for it not being healthy, worst first."""

    status: Status
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """The service and each of its workers.

    Attributes:
        verdict: of the whole.
        workers: each slot in use with its verdict, passing ones included.
    """

    verdict: Verdict
    workers: tuple[tuple[SlotView, Verdict], ...]

    def count(self, status: Status) -> int:
        """How many of the service's seats have this status."""
        return sum(v.status is status for view, v in self.workers if view.serving)

    @property
    def seats(self) -> int:
        """How many workers the service should have."""
        return sum(view.serving for view, _ in self.workers)


@dataclass(frozen=True, slots=True)
class _Look:
    """One worker and what it takes to judge it; seconds throughout."""

    view: SlotView
    now: float
    hang_timeout: float


Rule = Callable[[_Look], str]
"""Returns the reason for which its status applies; empty if it does not."""


def _crash_looping(look: _Look) -> str:
    view = look.view
    if view.streak < CRASH_LOOP or math.isinf(view.retry_at):
        return ""
    text = f"crash loop: died {view.streak} times in a row, "
    text += f"last by {ending(view.exit_status)}"
    if view.retry_at > look.now:
        text += f"; next try in {view.retry_at - look.now:.0f} s"
    return text


def _waiting(look: _Look) -> str:
    if math.isinf(look.view.retry_at):
        return "could not start; waits for changed code or settings"
    return ""


def _dead(look: _Look) -> str:
    view = look.view
    if view.pid or math.isinf(view.retry_at):
        return ""
    if not view.generation:
        return "not started yet"
    return f"dead: {ending(view.exit_status)}"


def _not_started(look: _Look) -> str:
    waited = look.now - look.view.forked_at
    if look.view.state is State.STARTING and waited > START_GRACE:
        return f"not ready {waited:.0f} s after its start"
    return ""


def _hung(look: _Look) -> str:
    silent = look.now - look.view.heartbeat
    if look.view.pid and silent > look.hang_timeout:
        return f"no heartbeat for {silent:.0f} s"
    return ""


def _redis_down(look: _Look) -> str:
    away = redis_away(look.view, look.now)
    return f"Redis does not answer for {away:.0f} s" if away > REDIS_BLIP else ""


def _flooded(look: _Look) -> str:
    workflow = look.view.flooded
    if not workflow:
        return ""
    return f"most events of {workflow} fail: their retries are held back"


def _restarted(look: _Look) -> str:
    view = look.view
    if view.pid and view.restarted_at and look.now - view.restarted_at < RESTART_SHOWS:
        return f"restarted {look.now - view.restarted_at:.0f} s ago"
    return ""


def _starting(look: _Look) -> str:
    return "starting" if look.view.state is State.STARTING else ""


def _draining(look: _Look) -> str:
    draining = look.view.state in (State.DRAINING, State.STOPPED)
    return "draining" if draining else ""


WORKER_RULES: tuple[tuple[Status, Rule], ...] = (
    (Status.UNHEALTHY, _crash_looping),
    (Status.UNHEALTHY, _waiting),
    (Status.UNHEALTHY, _dead),
    (Status.UNHEALTHY, _not_started),
    (Status.UNHEALTHY, _hung),
    (Status.DEGRADED, _redis_down),
    (Status.DEGRADED, _flooded),
    (Status.DEGRADED, _restarted),
    (Status.DEGRADED, _starting),
    (Status.DEGRADED, _draining),
)
"""Every rule that applies gives its reason; the first one gives the status."""


def judge_worker(view: SlotView, now: float, hang_timeout_ms: int) -> Verdict:
    """Judge one worker.

    Args:
        view: its slot.
        now: monotonic seconds.
        hang_timeout_ms: silence after which it counts as hung.
    """
    look = _Look(view, now, hang_timeout_ms / 1000)
    found = [(status, rule(look)) for status, rule in WORKER_RULES]
    found = [(status, reason) for status, reason in found if reason]
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
    return ServiceHealth(_judge_service(seats, service, now), workers)


def _judge_service(
    seats: list[tuple[SlotView, Verdict]], service: ServiceView, now: float
) -> Verdict:
    reasons = tuple(
        f"worker {view.index}: {reason}" for view, v in seats for reason in v.reasons
    )
    if all(verdict.status is Status.UNHEALTHY for _, verdict in seats):
        return Verdict(Status.UNHEALTHY, ("no worker works", *reasons))
    if all(redis_away(view, now) > REDIS_AWAY for view, _ in seats):
        return Verdict(Status.UNHEALTHY, ("Redis is away for long", *reasons))
    if service.stopping:
        return Verdict(Status.DEGRADED, ("stopping", *reasons))
    if any(verdict.status is not Status.HEALTHY for _, verdict in seats):
        return Verdict(Status.DEGRADED, reasons)
    return Verdict(Status.HEALTHY)


def redis_away(view: SlotView, now: float) -> float:
    """Return for how many seconds Redis does not answer a worker; 0: it does."""
    return now - view.redis_down_since if view.redis_down_since else 0.0


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


def ending(exit_status: int) -> str:
    """Say how a process ended, in words.

    Args:
        exit_status: its exit status, or minus the signal that killed it.
    """
    if exit_status >= 0:
        return f"exit status {exit_status}"
    try:
        return signal.Signals(-exit_status).name
    except ValueError:
        return f"signal {-exit_status}"
