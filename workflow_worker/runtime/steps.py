"""What one run asks for, in program order: each step is recorded, or is done now.

Owns what stopped a run. Must never let user code swallow the end of a run: what
stopped it is raised again at every further step.
"""

from __future__ import annotations

from typing import NoReturn

import msgspec

from workflow_worker.app.current import CurrentAction, here
from workflow_worker.app.workflow import Workflow
from workflow_worker.errors import (
    Cancelled,
    Halted,
    LeaseLost,
    NonDeterminismError,
    OutsideWorkflowError,
)
from workflow_worker.model import Effects, Event, Task
from workflow_worker.runtime import journal
from workflow_worker.runtime.catalog import Catalog
from workflow_worker.runtime.journal import Entry, RecordedError
from workflow_worker.runtime.replay import History

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
        limit: most bytes of a value.
        history: what is recorded, and where in it the function is.
        stop: what ended the run from our side, if anything did.
    """

    stop: BaseException | None = None

    def __init__(
        self,
        task: Task,
        event: Event,
        workflow: Workflow,
        effects: Effects,
        catalog: Catalog,
        limit: int,
    ) -> None:
        self.task = task
        self.event = event
        self.workflow = workflow
        self.effects = effects
        self.catalog = catalog
        self.limit = limit
        record = task.record
        if record is None:
            self.history = History(task.journal)
        else:
            self.history = History(task.journal, record.cancel)

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
            Cancelled: nothing new is to begin.
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
        if entry is None and history.cancel and history.fresh:
            self.cancel()
        return entry

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

    def cancel(self) -> NoReturn:
        """End the run before the step at hand, which did not begin."""
        self.history.ordinal -= 1
        self.stop = Cancelled()
        raise self.stop

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
