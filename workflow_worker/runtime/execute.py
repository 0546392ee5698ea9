"""From a task to a decision: runs the function from the top.

Must never let an error of user code out: only LeaseLost and Halted leave, and then
there is no decision.
"""

from __future__ import annotations

from workflow_worker import codec
from workflow_worker.app import App, Workflow
from workflow_worker.app.current import enter, leave
from workflow_worker.errors import InvalidPayload
from workflow_worker.model import Decision, Failure, Outcome, Task
from workflow_worker.ports import Effects
from workflow_worker.runtime import ends, failure
from workflow_worker.runtime.around import Around
from workflow_worker.runtime.backoff import Retries
from workflow_worker.runtime.catalog import Catalog
from workflow_worker.runtime.classify import Classifier
from workflow_worker.runtime.context import Context
from workflow_worker.runtime.run import Run
from workflow_worker.runtime.terms import Terms


class Runner:
    """Runs the workflows of one App; any number of threads may share it.

    Args:
        app: what may run; its annotations are resolved here.
        max_payload_bytes: longest result, action result or payload to emit.
        retries: for what does not say by itself.

    Raises:
        DefinitionError: an annotation can't be resolved, or has no JSON form.
    """

    __slots__ = ("_catalog", "_terms")

    def __init__(
        self, app: App, *, max_payload_bytes: int, retries: Retries | None = None
    ) -> None:
        self._catalog = Catalog(app)
        around = app.hooks.around
        self._terms = Terms(
            max_payload_bytes,
            Classifier(app.error_rules),
            retries or Retries(),
            Around(around) if around else None,
        )

    def knows(self, workflow: str, version: str | None = None) -> bool:
        """Tell whether the App declares a workflow of this name.

        Args:
            workflow: its name.
            version: the one needed; None for any.
        """
        versions = self._catalog.versions.get(workflow)
        return versions is not None and (version is None or version in versions)

    def version_of(self, workflow: str) -> str:
        """Return the version with which new executions of a known workflow begin."""
        return self._catalog.current[workflow].version

    def run(self, task: Task, effects: Effects) -> Decision:
        """Run the task's function in this thread and say what came of it.

        Args:
            task: what to run; its workflow, in the version that its record names, must
                be one this runner knows.
            effects: how the run reaches clock and journal, from any thread. What its
                methods raise besides ControlFlow counts as the workflow's own error.

        Raises:
            LeaseLost: another worker owns the execution now.
            Halted: the worker is ending.
        """
        record = task.record
        if record is None or record.version is None:
            workflow = self._catalog.current[task.workflow]
        else:
            workflow = self._catalog.versions[task.workflow][record.version]
        if task.event is None:
            return _refused(workflow, task, failure.of_entry(task.defect))
        try:
            run = Run(task, task.event, workflow, effects, self._catalog, self._terms)
            if record is not None or task.inbox:
                run.bring()
        except InvalidPayload as error:
            verdict = self._terms.classifier.verdict(error)
            return _refused(workflow, task, failure.of_workflow(error, verdict, 1))
        if task.overdue is not None and not task.overdue.ordinal:
            return ends.killed(run)
        outer = enter(run)
        try:
            result, data = _to_the_end(run)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            return ends.judged(run, error)
        finally:
            leave(run, outer)
        return ends.decision(run, Outcome.COMPLETED, data, result)


def _to_the_end(run: Run) -> tuple[bytes | None, bytes | None]:
    """Run the function to its end; return its result and its data, encoded."""
    workflow, context = run.workflow, Context(run)
    if workflow.takes_event:
        value = workflow.fn(context, _argument(workflow, run))
    else:
        value = workflow.fn(context)
    # A function that swallowed what stopped it has not come to its own end.
    run.finish()
    data = None if run.data is None else ends.encoded(run.data)
    if value is None:
        return None, data
    return codec.encode(value, workflow.what, max_bytes=run.limit), data


def _argument(workflow: Workflow, run: Run) -> object:
    if workflow.accepts is None:
        return run.event
    return codec.convert(run.event.payload, workflow.accepts, workflow.payload)


def _refused(workflow: Workflow, task: Task, why: Failure) -> Decision:
    """Fail a task without running anything; what is recorded stays."""
    return Decision(
        Outcome.FAILED,
        failure=why,
        journaled=len(task.journal),
        version=workflow.version,
        signals=bool(workflow.signals),
    )
