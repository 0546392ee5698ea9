"""An action, and how it finds the run it is called in: by its thread.

Owns which thread runs which workflow. Must never know what a run does with a call.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from workflow_worker import codec
from workflow_worker.app import rules
from workflow_worker.errors import DefinitionError, OutsideWorkflowError

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
        what: its result, for errors.
    """

    def __init__(self, fn: Callable[P, R], name: str, place: str) -> None:
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self.name = name
        self.place = place
        self.what = f"result of action {name}"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run recorded inside a workflow, plainly elsewhere.

        Raises:
            ActionFailed: inside a workflow, whatever the function raised.
            InvalidPayload: inside a workflow, the result is not what is annotated.
            OutsideWorkflowError: from a thread that runs no workflow, while others of
                this process do.
        """
        run = _thread.run
        if run is not None:
            return run.call(self, args, kwargs)
        # Nobody can tell whether a workflow started this thread, and if one did, the
        # effect would be unrecorded and doubled by the next replay: so say no.
        if _under_way:
            raise OutsideWorkflowError(
                f"action {self.name} was called from a thread that runs no workflow: "
                f"call it from the workflow's own thread, or {self.name}.fn for the "
                "plain function"
            )
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Action {self.name}: {self.place}>"

    @functools.cached_property
    def returns(self) -> Any:
        """What results are decoded to; Any where the function doesn't say.

        Raises:
            DefinitionError: the annotation can't be resolved or has no JSON form.
        """
        found = inspect.signature(self.fn).return_annotation
        if found is inspect.Signature.empty:
            return Any
        annotation = codec.plain(rules.resolved(self.fn, found, self.place))
        try:
            codec.require_type(annotation)
        except TypeError as err:
            raise DefinitionError(
                f"{self.place} returns what the journal can't keep: {err}"
            ) from err
        return annotation


class Run(Protocol):
    """A run of a workflow, as the actions called in its thread see it."""

    def call(
        self,
        action: Action[..., R],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> R:
        """Return the action's result, recorded or by running it now."""


class _Thread(threading.local):
    run: Run | None = None


_thread = _Thread()
_under_way: set[Run] = set()
"""Runs of all threads; adding and discarding are atomic, so no lock guards them."""


def current() -> Run | None:
    """Return the run whose workflow this thread is running."""
    return _thread.run


def enter(run: Run) -> Run | None:
    """Send the actions called in this thread to a run; return the one before it."""
    outer = _thread.run
    _thread.run = run
    _under_way.add(run)
    return outer


def leave(run: Run, outer: Run | None) -> None:
    """Undo :func:`enter`, with what it returned."""
    _under_way.discard(run)
    _thread.run = outer
