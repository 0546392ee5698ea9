"""From a task to a decision: runs the function from the top, and judges the end of it.

Owns how each end of a function becomes a decision. Must never let an error of user
code out: only :class:`ControlFlow` leaves, and then there is no decision.
"""

from __future__ import annotations

from workflow_worker import codec
from workflow_worker.app import App, Workflow
from workflow_worker.app.action import enter, leave
from workflow_worker.errors import (
    ActionFailed,
    ControlFlow,
    InvalidPayload,
    NonDeterminismError,
)
from workflow_worker.model import Decision, Effects, Failure, Outcome, Task
from workflow_worker.runtime import failure
from workflow_worker.runtime.context import Context
from workflow_worker.runtime.run import Run


class Runner:
    """Runs the workflows of one App; any number of threads may share it.

    Args:
        app: what may run; its annotations are resolved here.
        max_payload_bytes: longest result, action result or payload to emit.

    Raises:
        DefinitionError: an annotation can't be resolved, or has no JSON form.
    """

    __slots__ = ("_limit", "_workflows")

    def __init__(self, app: App, *, max_payload_bytes: int) -> None:
        app.check()
        self._workflows = dict(app.workflows)
        self._limit = max_payload_bytes

    def knows(self, workflow: str) -> bool:
        """Tell whether the App declares a workflow of this name."""
        return workflow in self._workflows

    def version_of(self, workflow: str) -> str:
        """Return the version of a workflow this runner knows; empty if it has none."""
        return self._workflows[workflow].version

    def run(self, task: Task, effects: Effects) -> Decision:
        """Run the task's function in this thread and say what came of it.

        Args:
            task: what to run; its workflow must be one this runner knows.
            effects: how the run reaches clock and journal. What its methods raise
                besides ControlFlow counts as the workflow's own error.

        Raises:
            LeaseLost: another worker owns the execution now.
            Halted: the worker is ending.
        """
        workflow = self._workflows[task.workflow]
        if task.event is None:
            return _refused(workflow, task, failure.of_entry(task.defect))
        try:
            run = Run(task, task.event, effects, self._limit)
        except InvalidPayload as error:
            return _refused(workflow, task, failure.of_workflow(error, 1))
        outer = enter(run)
        try:
            result = _result(workflow, run, self._limit)
        except ControlFlow:
            raise
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            return _failed(workflow, run, error)
        finally:
            leave(run, outer)
        return Decision(
            Outcome.COMPLETED,
            result,
            None,
            run.state,
            tuple(run.emits),
            run.history.pending,
            run.history.durable,
            workflow.result_ttl_ms,
            workflow.version,
        )


def _result(workflow: Workflow, run: Run, limit: int) -> bytes | None:
    """Run the function to its end, and encode what it returns."""
    fn, context = workflow.fn, Context(run)
    value = (
        fn(context, _argument(workflow, run)) if workflow.takes_event else fn(context)
    )
    # A function that swallowed what stopped it has not come to its own end.
    if run.stop is not None:
        raise run.stop
    run.history.finish()
    if value is None:
        return None
    return codec.encode(value, workflow.what, max_bytes=limit)


def _argument(workflow: Workflow, run: Run) -> object:
    if workflow.accepts is None:
        return run.event
    return codec.convert(run.event.payload, workflow.accepts, workflow.payload)


def _failed(workflow: Workflow, run: Run, error: BaseException) -> Decision:
    """Judge an exception; a failed run publishes nothing and keeps its journal."""
    if isinstance(run.stop, ControlFlow):
        raise run.stop from error
    if run.stop is not None:
        error = run.stop
    record = run.recorded(error)
    if isinstance(error, ActionFailed) and record is not None:
        why = failure.of_action(error, record)
    else:
        why = failure.of_workflow(error, run.attempt)
    diverged = isinstance(error, NonDeterminismError)
    return Decision(
        Outcome.FAILED,
        failure=why,
        state=None if diverged else run.state,
        entries=run.history.pending,
        journaled=run.history.durable,
        version=workflow.version,
    )


def _refused(workflow: Workflow, task: Task, why: Failure) -> Decision:
    """Fail a task without running anything; what is recorded stays."""
    return Decision(
        Outcome.FAILED,
        failure=why,
        journaled=len(task.journal),
        version=workflow.version,
    )
