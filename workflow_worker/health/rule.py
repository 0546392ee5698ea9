"""What a rule is, and what comes of rules.

Owns the words of health; it must never say when one of them applies.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from workflow_worker.board import SlotView

T = TypeVar("T")


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
class Rule(Generic[T]):
    """One rule.

    Attributes:
        status: what it says where it applies.
        when: where it does, for the docs.
        remedy: what to do then, for the docs.
        reason: returns the reason for which it applies; empty if it does not.
    """

    status: Status
    when: str
    remedy: str
    reason: Callable[[T], str]


def applied(rules: Iterable[Rule[T]], look: T) -> list[tuple[Status, str]]:
    """Return what the rules that apply say, in their order."""
    reasons = ((rule.status, rule.reason(look)) for rule in rules)
    return [(status, reason) for status, reason in reasons if reason]
