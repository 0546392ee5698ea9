"""What this worker counts for Prometheus.

Owns which label values there are: names of the App, and the empty one for everything
else, whatever stands in an event. Durations are only put aside by the threads that
measure them; the committer's and the keeper's thread count them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from workflow_worker.errors import ErrorCategory
from workflow_worker.metrics import table
from workflow_worker.metrics.counting import Durations, counter
from workflow_worker.metrics.table import (
    FAILED,
    IGNORED,
    RETRIED,
    SUCCEEDED,
    SUSPENDED,
    Row,
)

_OF_WORKFLOWS = (SUCCEEDED, FAILED, RETRIED, SUSPENDED)
_OF_NONE = (SUCCEEDED, FAILED, IGNORED)
_OF_ACTIONS = (SUCCEEDED, FAILED, RETRIED)

T = TypeVar("T")
Seconds = dict[str, list[float]]
"""What was measured, by name."""


class Meter:
    """The counters and histograms of one worker.

    Counters stand there with 0 from the start, so that the first of anything shows as
    an increase.

    Args:
        workflows: names of the App's.
        actions: likewise.
    """

    def __init__(self, workflows: Iterable[str], actions: Iterable[str]) -> None:
        self._workflows = frozenset((*workflows, ""))
        self._acts = frozenset((*actions, ""))
        self._lock = threading.Lock()
        """Guards the numbers on the page."""
        self._runs: deque[tuple[str, float, float | None]] = deque()
        self._tries: deque[tuple[str, float | None, str, bool]] = deque()
        self._events = {
            (name, outcome): counter(table.EVENTS, name, outcome)
            for name in self._workflows
            for outcome in (_OF_WORKFLOWS if name else _OF_NONE)
        }
        self._letters = {
            name: counter(table.DEAD_LETTERS, name) for name in self._workflows
        }
        self._actions = {
            (name, outcome): counter(table.ACTIONS, name, outcome)
            for name in self._acts
            for outcome in _OF_ACTIONS
        }
        self._errors = {
            category.value: counter(table.ERRORS, category.value)
            for category in ErrorCategory
        }
        self._leases_lost = counter(table.LEASES_LOST)
        self._durations: dict[tuple[str, str], Durations] = {}

    def ran(self, workflow: str, seconds: float, waited: float | None) -> None:
        """Put aside that a run ended; from any thread, costs next to nothing.

        Args:
            workflow: its name.
            seconds: it took.
            waited: seconds from the publishing of its event; None if that is not known,
                or it was not the first run.
        """
        self._runs.append((workflow, seconds, waited))

    def tried(
        self, action: str, seconds: float | None, error: str, *, last: bool
    ) -> None:
        """Put aside that a try of an action ended; likewise.

        Args:
            action: its name.
            seconds: it took; None if that is not known.
            error: category of its error; empty if it succeeded.
            last: it is not tried again.
        """
        self._tries.append((action, seconds, error, last))

    def settled(
        self,
        outcomes: Mapping[tuple[str, str], int],
        letters: Mapping[str, int],
        errors: Mapping[str, int],
    ) -> None:
        """Count what became durable, and what was put aside.

        Args:
            outcomes: how many events or runs, by workflow and outcome.
            letters: how many dead letters, by workflow.
            errors: how many errors of workflows' own code, by category.
        """
        with self._lock:
            for (workflow, outcome), times in outcomes.items():
                cell = self._events.get((workflow, outcome))
                if cell is None:  # of a workflow that another instance has
                    cell = counter(table.EVENTS, "", outcome)
                cell.add(times)
            for workflow, times in letters.items():
                self._letters[_bounded(workflow, self._workflows)].add(times)
            for category, times in errors.items():
                self._errors[category].add(times)
            self._flush()

    def lost(self, leases: int) -> None:
        """Count leases that another worker took over."""
        with self._lock:
            self._leases_lost.add(leases)

    def flush(self) -> None:
        """Count what was put aside."""
        if self._runs or self._tries:
            with self._lock:
                self._flush()

    def _flush(self) -> None:
        ran: Seconds = {}
        waited: Seconds = {}
        took: Seconds = {}
        for workflow, seconds, wait in _emptied(self._runs):
            ran.setdefault(workflow, []).append(seconds)
            if wait is not None:
                waited.setdefault(workflow, []).append(wait)
        for action, lasted, error, last in _emptied(self._tries):
            if lasted is not None:
                took.setdefault(action, []).append(lasted)
            outcome = SUCCEEDED
            if error:
                outcome = FAILED if last else RETRIED
                self._errors[error].add(1)
            self._actions[_bounded(action, self._acts), outcome].add(1)
        self._observe(table.EVENT_DURATION, self._workflows, ran)
        self._observe(table.EVENT_WAIT, self._workflows, waited)
        self._observe(table.ACTION_DURATION, self._acts, took)

    def _observe(self, row: Row, known: frozenset[str], measured: Seconds) -> None:
        for name, seconds in measured.items():
            label = _bounded(name, known)
            durations = self._durations.get((row.name, label))
            if durations is None:
                durations = Durations(row, label)
                self._durations[row.name, label] = durations
            durations.observe(seconds)


def _bounded(name: str, known: frozenset[str]) -> str:
    return name if name in known else ""


def _emptied(queue: deque[T]) -> Iterator[T]:
    """Yield what is in the queue; what comes meanwhile is for the next time."""
    for _ in range(len(queue)):
        yield queue.popleft()
