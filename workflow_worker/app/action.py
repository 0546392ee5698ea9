"""An action: a side effect, and where a call of it goes.

Owns the decision between recorded and plain. Must never know what a run does with a
call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast

from workflow_worker.app import rules
from workflow_worker.app.current import CurrentAction, here, under_way
from workflow_worker.app.future import Future, Settled
from workflow_worker.app.retry import RetryPolicy
from workflow_worker.errors import OutsideWorkflowError

P = ParamSpec("P")
R = TypeVar("R")


class Action(Generic[P, R]):
    """A side effect that runs once per execution, its result recorded.

    Called inside a workflow it returns the recorded result, or runs and is recorded;
    called anywhere else, another action included, it is the plain function.

    Attributes:
        fn: the plain function.
        name: what the journal calls it.
        place: function, file and line, for errors.
        timeout_ms: how long one try may take; None for as long as it takes.
        retry: how it is retried; None for what the settings say.
        what: its result, for errors.
    """

    def __init__(
        self,
        fn: Callable[P, R],
        name: str,
        place: str,
        timeout_ms: int | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self.name = name
        self.place = place
        self.timeout_ms = timeout_ms
        self.retry = retry
        self.what = f"result of action {name}"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run recorded inside a workflow, plainly elsewhere.

        Raises:
            ActionFailed: inside a workflow, whatever the function raised.
            InvalidPayload: inside a workflow, the result is not what is annotated.
            OutsideWorkflowError: from a thread that runs no workflow, while others of
                this process do.
        """
        run = here()
        if run is None:
            self._refuse_stray("called")
            return self.fn(*args, **kwargs)
        if isinstance(run, CurrentAction):
            return self.fn(*args, **kwargs)
        return cast("R", run.call(self, args, kwargs))

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run recorded beside the workflow, on another thread; elsewhere plainly, now.

        Raises:
            OutsideWorkflowError: from a thread that runs no workflow, while others of
                this process do.
        """
        run = here()
        if run is None:
            self._refuse_stray("submitted")
        elif not isinstance(run, CurrentAction):
            return run.submit(self, args, kwargs)
        return Settled(self.fn, args, kwargs)

    def __repr__(self) -> str:
        return f"<Action {self.name}: {self.place}>"

    @property
    def ident(self) -> tuple[str, str]:
        """What no other action may have; actions have no versions."""
        return self.name, ""

    @functools.cached_property
    def returns(self) -> Any:
        """What results are decoded to; Any where the function doesn't say.

        Raises:
            DefinitionError: the annotation can't be resolved or has no JSON form.
        """
        return rules.returned(
            self.fn, self.place, "returns what the journal can't keep"
        )

    def _refuse_stray(self, how: str) -> None:
        # Nobody can tell whether a workflow started this thread, and if one did, the
        # effect would be unrecorded and doubled by the next replay: so say no.
        if under_way():
            raise OutsideWorkflowError(
                f"action {self.name} was {how} from a thread that runs no workflow: "
                f"do it in the workflow's own thread, or use {self.name}.fn, the plain "
                "function"
            )
