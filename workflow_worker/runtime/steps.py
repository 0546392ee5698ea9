"""What one run asks for, in program order: each step is recorded, or is done now.

Owns what stopped a run. Must never let user code swallow the end of a run: what
stopped it is raised again at every further step.
"""

from __future__ import annotations

from typing import NoReturn

import msgspec

from workflow_worker.app.current import Callee, CurrentAction, here
from workflow_worker.app.workflow import Workflow
from workflow_worker.errors import (
    Cancelled,
    Closing,
    Expired,
    Halted,
    LeaseLost,
    NonDeterminismError,
    OutsideWorkflowError,
)
from workflow_worker.model import Event, Task
from workflow_worker.ports import Effects
from workflow_worker.runtime import journal
from workflow_worker.runtime.catalog import Catalog
from workflow_worker.runtime.journal import Entry, RecordedError
from workflow_worker.runtime.replay import History
from workflow_worker.runtime.terms import Terms

VOID = (LeaseLost, Halted)
"""What ends a run so that nothing it did counts."""


class Steps:
    """One run, as far as every kind of step needs it.

    Attributes:
        task: what is run.
        event: what started it.
        workflow: the function.
        effects: how to reach the world.
        catalog: what the App declares.
        terms: what it is held to.
        limit: most bytes of a value.
        deadline_ms: when its time is over, by the server's clock; None for never.
        history: what is recorded, and where in it the function is.
        stop: what ended the run from our side, if anything did.
    """

    stop: BaseException | None = None
    deadline_ms: int | None = None

    def __init__(
        self,
        task: Task,
        event: Event,
        workflow: Workflow,
        effects: Effects,
        catalog: Catalog,
        terms: Terms,
    ) -> None:
        self.task = task
        self.event = event
        self.workflow = workflow
        self.effects = effects
        self.catalog = catalog
        self.terms = terms
        self.limit = terms.max_payload_bytes
        record = task.record
        if record is None:
            self.history = History(task.journal)
        else:
            self.history = History(task.journal, record.cancel)
        if workflow.timeout_ms is not None:
            self._bound(workflow.timeout_ms)
        self._overdue = task.overdue

    def _bound(self, timeout_ms: int) -> None:
        record, now_ms = self.task.record, self.effects.now_ms()
        started_ms = record.started_ms if record and record.started_ms else now_ms
        self.deadline_ms = started_ms + timeout_ms
        self.effects.bounded((self.deadline_ms - now_ms) / 1000)

    @property
    def left_ms(self) -> int | None:
        """How long until the time of the execution is over; None for no end."""
        if self.deadline_ms is None:
            return None
        return max(0, self.deadline_ms - self.effects.now_ms())

    @property
    def expired(self) -> bool:
        """Whether the time of the execution is over."""
        return self.left_ms == 0

    def seconds_for(self, action: Callee, kind: str) -> float | None:
        """Return how long a try of an action may take; None for as long as it does."""
        seconds = None if action.timeout_ms is None else action.timeout_ms / 1000
        left_ms = self.left_ms
        if left_ms is None or kind == journal.UNDO:
            return seconds
        left = max(left_ms, 1) / 1000
        return left if seconds is None else min(seconds, left)

    def is_due(self, tried: Entry) -> bool:
        """Tell whether what failed may be tried again now."""
        record = self.task.record
        if record is not None and record.fired == tried.ordinal:
            return True
        return tried.due_ms <= self.effects.now_ms()

    def overran(self, ordinal: int) -> bool:
        """Tell, once, whether the last worker was killed for what this action did."""
        overdue = self._overdue
        if overdue is None or overdue.ordinal != ordinal:
            return False
        self._overdue = None
        return True

    @property
    def attempt(self) -> int:
        """Which try of the workflow this is, from 1."""
        return self.task.record.attempt if self.task.record else 1

    def mark(self, ordinal: int) -> str:
        """Return what tells a step from all others of the execution, in any run."""
        record = self.task.record
        return f"{record.run}.{ordinal}" if record and record.run else str(ordinal)

    def key_of(self, ordinal: int, kind: str) -> str:
        """Return the idempotency key of an action or a compensation."""
        # A cancelled step gives its ordinal back, but may have begun in an earlier run:
        # without the prefix an undo could have the key of what it undoes.
        prefix = "undo." if kind == journal.UNDO else ""
        scope, execution_id = self.effects.scope, self.task.execution_id
        return f"{scope}:{execution_id}:{prefix}{self.mark(ordinal)}"

    def require_open(self) -> None:
        """Raise what stopped the run, if anything did."""
        if self.stop is not None:
            raise self.stop

    def step(self, kind: str, name: str, *, in_line: bool = True) -> Entry | None:
        """Count one thing the function asks for; None if it is to be done now.

        Raises:
            Cancelled, Expired, Closing: nothing new is to begin.
            NonDeterminismError: an earlier run did something else here.
        """
        if self.stop is not None:
            raise self.stop
        history = self.history
        try:
            entry = history.step(kind, name, in_line=in_line)
        except NonDeterminismError as stop:
            self.stop = stop
            raise
        if entry is None and (history.end is not None or self.limited):
            if history.ended:
                self._stop_before(Closing())
            if history.fresh:
                self.require_leave()
        return entry

    @property
    def limited(self) -> bool:
        """Whether something may keep new steps from beginning."""
        return self.history.cancel or self.deadline_ms is not None

    def require_leave(self) -> None:
        """Require that the step at hand may begin, or begin again.

        Raises:
            Cancelled, Expired: nothing new is to begin.
        """
        if self.history.cancel:
            self._stop_before(Cancelled())
        if self.expired:
            self._stop_before(Expired(self.history.ordinal))

    def refuse_late(self, entry: Entry) -> None:
        """Require that an action did not fail for want of the execution's time.

        Only for one that ended in this run: a replay goes on as the function once did.

        Raises:
            Expired: it may have.
        """
        if entry.error is not None and self.expired:
            self.stop = Expired(entry.ordinal)
            raise self.stop

    def keep(
        self,
        kind: str,
        name: str,
        result: bytes | msgspec.Raw = journal.NULL,
        *,
        consumes: str = "",
        error: RecordedError | None = None,
    ) -> Entry:
        """Record what came of the step at hand."""
        entry = Entry(
            ordinal=self.history.ordinal,
            kind=kind,
            name=name,
            result=msgspec.Raw(result),
            error=error,
            started_ms=self.effects.now_ms(),
        )
        self.history.add(entry, self.effects, consumes)
        return entry

    def _stop_before(self, stop: BaseException) -> NoReturn:
        """End the run before the step at hand, which did not begin."""
        self.history.ordinal -= 1
        self.stop = stop
        raise stop

    def halt(self, stop: BaseException) -> None:
        """Note, from any thread, what ends the run; that it is void goes before all."""
        if self.stop is None or isinstance(stop, VOID):
            self.stop = stop

    def require_workflow(self, what: str) -> None:
        """Require that the calling code is this workflow's own.

        Raises:
            OutsideWorkflowError: it is another thread, an action, or the run is over.
        """
        found: object = here()
        if found is self:
            return
        # An action does not run again on replay, so neither would what it asks for.
        if isinstance(found, CurrentAction) and found.within is self:
            raise OutsideWorkflowError(f"{what} can't be used inside an action")
        raise _outside()

    def require_sight(self) -> None:
        """Require that the calling code is this workflow's, or an action's it called.

        Raises:
            OutsideWorkflowError: it is another thread, or the run is over.
        """
        found: object = here()
        if found is not self and not (
            isinstance(found, CurrentAction) and found.within is self
        ):
            raise _outside()


def _outside() -> OutsideWorkflowError:
    return OutsideWorkflowError(
        "ctx was used outside its workflow: it ends with the function, and belongs to "
        "the thread that runs it"
    )
