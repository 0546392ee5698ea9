"""One thread of the pool: runs one event at a time.

It asks whether the event may begin, makes sure the lease is young enough, runs the
function and hands the decision to the committer; it never waits for the commit, unless
the event is a suspect.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from workflow_worker import log as logs
from workflow_worker.board import Lane
from workflow_worker.clock import monotonic
from workflow_worker.errors import ErrorCategory, LeaseLost, qualified_name
from workflow_worker.model import Decision, Failure, Outcome, Task
from workflow_worker.worker.admission import Admission
from workflow_worker.worker.effects import RunEffects, show
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.line import Line
from workflow_worker.worker.quarantine import Quarantine

if TYPE_CHECKING:
    from workflow_worker.runtime.execute import Runner

log = logging.getLogger(__name__)


class Hand:
    """What one thread does.

    Args:
        line: where tasks come from.
        number: of this thread in it.
        leases: what is held.
        runner: runs workflows.
        lane: where the board shows this thread.
        effects: of its runs.
        quarantine: tells what is not to run any more.
        admission: tells what may begin now.
        decided: takes what a run came to, and how many seconds it took.
        freed: called after each task.
    """

    def __init__(
        self,
        line: Line,
        number: int,
        leases: Leases,
        runner: Runner,
        lane: Lane,
        effects: RunEffects,
        quarantine: Quarantine,
        admission: Admission,
        decided: Callable[[Task, Decision, float], None],
        freed: Callable[[], None],
    ) -> None:
        self._line = line
        self._number = number
        self._leases = leases
        self._runner = runner
        self._lane = lane
        self._effects = effects
        self._quarantine = quarantine
        self._admission = admission
        self._decided = decided
        self._freed = freed

    def work(self) -> None:
        """Run tasks until the line ends."""
        line, lane = self._line, self._lane
        while True:
            task = line.next()
            if task is None:
                # Not before: what comes at once shows itself in the same place.
                lane.clear()
                task = line.wait(self._number)
                if task is None:
                    break
            if self._leases.owns(task):
                self._handle(task)
            self._freed()
        # What ended here must not be taken for what runs too long.
        lane.clear()

    def _handle(self, task: Task) -> None:
        if self._quarantine.is_poison(task):
            log.error("%s is poison: not run again", task.execution_id)
            self._decided(task, _poison(task), 0.0)
        elif self._admission.enter(task):
            self._run(task)
            self._admission.leave(task)

    def _run(self, task: Task) -> None:
        deadline = self._effects.begin(task)
        show(self._lane, task, deadline, begun=task.overdue is None)
        logs.running(task.execution_id)
        begun = monotonic()
        try:
            decision = self._decide(task)
        except LeaseLost:
            log.info("run dropped: its lease is lost")
            self._leases.release(task)
        else:
            seconds = monotonic() - begun
            if log.isEnabledFor(logging.DEBUG):
                _describe(task, decision, seconds)
            self._decided(task, decision, seconds)
        finally:
            self._effects.end()
            logs.running("")

    def _decide(self, task: Task) -> Decision:
        self._effects.ensure()
        try:
            return self._runner.run(task, self._effects)
        except Exception as error:
            # The runtime turns every error of user code into a decision: this one is
            # ours. The event must not suffer it in silence, nor its neighbours at all.
            log.exception("the runtime failed on %s", task.execution_id)
            return _broken(task, error)


def _describe(task: Task, decision: Decision, seconds: float) -> None:
    log.debug(
        "%s of event %s: %s after %.1f ms, delivery %d%s",
        task.workflow,
        task.event.name if task.event else "?",
        decision.outcome,
        seconds * 1000,
        task.deliveries,
        f": {decision.failure.error_type}" if decision.failure else "",
    )


def _poison(task: Task) -> Decision:
    times = task.deliveries - 1
    last = f", last by {task.exit}" if task.exit else ""
    failure = Failure(
        category=ErrorCategory.PERMANENT.value,
        error_type="Poison",
        message=f"its worker died {times} times while it ran{last}; not run again",
        attempts=times,
        reason="it takes its process down",
        exit=task.exit,
    )
    return Decision(Outcome.FAILED, failure=failure, journaled=len(task.journal))


def _broken(task: Task, error: Exception) -> Decision:
    failure = Failure(
        category=ErrorCategory.PERMANENT.value,
        error_type=qualified_name(type(error)),
        message=str(error),
        traceback="".join(traceback.format_exception(error)),
        attempts=task.deliveries,
    )
    return Decision(Outcome.FAILED, failure=failure, journaled=len(task.journal))
