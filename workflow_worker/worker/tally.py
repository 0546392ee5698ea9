"""What commits made durable, counted: on the board and for Prometheus.

Owns which outcomes an event and a run count as. Each event succeeds or fails once, at
the first commit of its execution that is no retry, as in ``{wf:0}:stats``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from workflow_worker.board import Slot
from workflow_worker.broker.claim import Taken
from workflow_worker.broker.commit import Item, Landed
from workflow_worker.errors import ErrorCategory
from workflow_worker.metrics.table import (
    FAILED,
    IGNORED,
    RETRIED,
    SUCCEEDED,
    SUSPENDED,
)
from workflow_worker.model import Decision, Outcome, Task
from workflow_worker.worker.meter import Meter

PERMANENT = ErrorCategory.PERMANENT.value
# Looked up for every event; by the class it would take several times as long.
_COMPLETED = Outcome.COMPLETED
_COMMITTED, _REFUSED = Landed.COMMITTED, Landed.REFUSED


class Tally:
    """Counts on the board and the meter; several threads count, one at a time."""

    def __init__(self, slot: Slot, meter: Meter) -> None:
        self._slot = slot
        self._meter = meter
        self._counting = threading.Lock()
        """Guards the slot's counters."""

    def committed(self, items: Iterable[tuple[Item, Landed]]) -> None:
        """Count what commits made durable: an event once, at its first commit."""
        outcomes: dict[tuple[str, str], int] = {}
        letters: dict[str, int] = {}
        errors: dict[str, int] = {}
        for (task, decision), landed in items:
            for outcome in _outcomes(task, decision, landed):
                kind = task.workflow, outcome
                outcomes[kind] = outcomes.get(kind, 0) + 1
            if landed is _REFUSED:
                letters[task.workflow] = letters.get(task.workflow, 0) + 1
                errors[PERMANENT] = errors.get(PERMANENT, 0) + 1
            failure = decision.failure
            if failure is None or landed is not _COMMITTED:
                continue
            if decision.outcome is Outcome.FAILED:
                letters[task.workflow] = letters.get(task.workflow, 0) + 1
            # That of an action was counted when its try failed.
            if not failure.action:
                errors[failure.category] = errors.get(failure.category, 0) + 1
        with self._counting:
            self._count(outcomes, sum(letters.values()))
        self._meter.settled(outcomes, letters, errors)

    def taken(self, taken: Taken) -> None:
        """Count what was settled without being run."""
        found = (
            (SUCCEEDED, taken.succeeded),
            (FAILED, taken.failed),
            (IGNORED, taken.ignored),
        )
        outcomes = {("", outcome): times for outcome, times in found if times}
        if outcomes:
            with self._counting:
                self._count(outcomes, taken.failed)
            letters = {"": taken.failed} if taken.failed else {}
            self._meter.settled(outcomes, letters, {})

    def lost(self, leases: int) -> None:
        """Count leases that another worker took over."""
        with self._counting:
            self._slot.add(leases_lost=leases)
        self._meter.lost(leases)

    def _count(self, outcomes: dict[tuple[str, str], int], letters: int) -> None:
        total = {SUCCEEDED: 0, FAILED: 0, RETRIED: 0, SUSPENDED: 0, IGNORED: 0}
        for (_, outcome), times in outcomes.items():
            total[outcome] += times
        self._slot.add(
            succeeded=total[SUCCEEDED],
            failed=total[FAILED],
            retried=total[RETRIED],
            suspended=total[SUSPENDED],
            ignored=total[IGNORED],
            dead_letters=letters,
        )


_SUCCEEDED = (SUCCEEDED,)


def _outcomes(task: Task, decision: Decision, landed: Landed) -> tuple[str, ...]:
    """Return what an item counts as; at most one of them is of its event."""
    outcome = decision.outcome
    if landed is _REFUSED:
        return (FAILED,) if task.counts else ()
    if outcome is _COMPLETED:
        return _SUCCEEDED if task.counts else ()
    as_decided = landed is _COMMITTED
    if outcome is Outcome.RETRYING and as_decided:
        return (RETRIED,)
    found: tuple[str, ...] = (SUSPENDED,) if outcome is Outcome.SUSPENDED else ()
    if task.counts:
        found += (FAILED if outcome is Outcome.FAILED and as_decided else SUCCEEDED,)
    return found
