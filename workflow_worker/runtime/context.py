"""The context: what a workflow function sees of its execution, and may ask for.

Owns the user's view and that it ends with the run, and in the run's thread. Must never
hold state of its own: everything is the run's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar, overload

from workflow_worker import codec
from workflow_worker.app import Action
from workflow_worker.app.current import here
from workflow_worker.model import Event
from workflow_worker.runtime import children, compensation, values, waits
from workflow_worker.runtime.children import Handle
from workflow_worker.runtime.data import Data
from workflow_worker.runtime.durations import milliseconds
from workflow_worker.runtime.replay import History
from workflow_worker.runtime.run import Run

R = TypeVar("R")


class Context:
    """What a workflow knows about its execution, and may do besides actions.

    Usable while the workflow runs, in the thread that runs it; anything else raises
    :class:`OutsideWorkflowError`. An action called there may look, but not act.
    """

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def event(self) -> Event:
        """The event that started this execution."""
        return self._look().event

    @property
    def key(self) -> str:
        """Business key of that event; its id where the publisher gave no key."""
        return self._look().event.key

    @property
    def execution_id(self) -> str:
        """Id of this execution, the same over crashes and retries."""
        return self._look().task.execution_id

    @property
    def attempt(self) -> int:
        """Which try of the workflow this is, from 1; replays of one try count once."""
        return self._look().attempt

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger ``workflow.<name>``; silent about what an earlier run has said."""
        run = self._look()
        return _ReplayLogger(
            logging.getLogger(f"workflow.{run.task.workflow}"), run.history
        )

    @property
    def state(self) -> str:
        """The business state this run has set; empty before."""
        return self._look().state or ""

    def set_state(self, state: str) -> None:
        """Set the business state, visible to operators from the next commit on.

        Raises:
            InvalidPayload: it is no text.
        """
        self._act("ctx.set_state").set_state(state)

    @property
    def data(self) -> MutableMapping[str, Any]:
        """What this execution keeps under names; operators see it.

        A value is kept as the JSON it becomes, and comes back as plain types;
        ``InvalidPayload`` if it has none, or is too large. Like the state it starts
        empty and is made again by every replay; :meth:`continue_as_new` hands it on.
        """
        return Data(self._act("ctx.data"))

    def wait_for(
        self, *names: str, timeout: float | timedelta | None = None
    ) -> Event | None:
        """Wait for the next of these signals, without holding a thread or a process.

        Args:
            names: of events that the workflow declares in ``signals=``.
            timeout: seconds or timedelta from the commit that begins the wait; None
                for as long as it takes.

        Returns:
            The event; None if the time was over first.

        Raises:
            DefinitionError: a name is not declared, or given twice, or none is given.
            ValueError: the timeout is no duration.
        """
        return waits.wait_for(self._act("ctx.wait_for"), names, timeout)

    def sleep(self, duration: float | timedelta) -> None:
        """Go on after so many seconds, or a timedelta; no thread is held.

        Raises:
            ValueError: it is no duration.
        """
        waits.sleep(self._act("ctx.sleep"), duration)

    def sleep_until(self, when: datetime) -> None:
        """Go on at an instant by the server's clock; at once if it is past.

        Raises:
            ValueError: it is naive, or no datetime.
        """
        waits.sleep_until(self._act("ctx.sleep_until"), when)

    def emit(
        self,
        name: str,
        payload: object,
        key: str | None = None,
        delay: float | timedelta | None = None,
    ) -> None:
        """Publish an event with the next commit of this execution; never if it fails.

        Args:
            name: of the event.
            payload: what becomes a JSON object: dict, dataclass, TypedDict or
                msgspec.Struct.
            key: business key; by default the new event's id.
            delay: seconds or timedelta from the commit until the event appears.

        Raises:
            InvalidPayload: name, payload or key can't be sent.
            ValueError: the delay is no duration.
        """
        run = self._act("ctx.emit")
        delay_ms = 0 if delay is None else milliseconds(delay, "the delay of ctx.emit")
        run.emit(name, payload, key, delay_ms)

    @overload
    def start(
        self,
        workflow: Callable[..., R],
        payload: object = None,
        key: str | None = None,
    ) -> Handle[R]: ...

    @overload
    def start(
        self, workflow: str, payload: object = None, key: str | None = None
    ) -> Handle[Any]: ...

    def start(
        self,
        workflow: Callable[..., object] | str,
        payload: object = None,
        key: str | None = None,
    ) -> Handle[Any]:
        """Start a child execution with the next commit of this one; never if it fails.

        Args:
            workflow: the function of one, or its name, which another App may have.
            payload: what becomes a JSON object; None for an empty one.
            key: business key; by default the child's execution id.

        Raises:
            DefinitionError: the function is no workflow of this App, or the name can't
                be one.
            InvalidPayload: payload or key can't be sent.
        """
        return children.start(self._act("ctx.start"), workflow, payload, key)

    def compensate(
        self, action: Action[..., Any], *args: object, **kwargs: object
    ) -> None:
        """Have an action called if this execution fails for good or is cancelled.

        What is registered last is called first. The arguments are kept as JSON and
        come as plain types. One that fails is recorded, and the others still run.

        Raises:
            DefinitionError: it is no action of this App.
            InvalidPayload: an argument has no JSON form, or is too large.
        """
        compensation.register(self._act("ctx.compensate"), action, args, kwargs)

    def now(self) -> datetime:
        """Return the time, aware and in UTC, to the ms; recorded."""
        return values.now(self._act("ctx.now"))

    def random(self) -> float:
        """Return a random number from 0 to below 1; recorded."""
        return values.random(self._act("ctx.random"))

    def uuid(self) -> codec.UUID:
        """Return a random UUID; recorded."""
        return values.uuid(self._act("ctx.uuid"))

    def patched(self, patch: str) -> bool:
        """Tell whether to run new code: False where an execution has passed it already.

        Args:
            patch: id of the change, the same as long as both paths are in the code.

        Raises:
            InvalidPayload: it is no text, or empty.
        """
        return values.patched(self._act("ctx.patched"), patch)

    def continue_as_new(self, payload: object = None) -> NoReturn:
        """Begin again with this payload and an empty journal; never returns.

        Data and compensations are handed on, the signals not consumed yet too.

        Args:
            payload: what becomes a JSON object; None for an empty one.

        Raises:
            InvalidPayload: it does not.
        """
        run = self._act("ctx.continue_as_new")
        run.continue_as_new({} if payload is None else payload)

    def _look(self) -> Run:
        # One comparison tells almost always; the rest is for actions, and for errors.
        if here() is not self._run:
            self._run.require_sight()
        return self._run

    def _act(self, what: str) -> Run:
        if here() is not self._run:
            self._run.require_workflow(what)
        return self._run


class _ReplayLogger(logging.LoggerAdapter[logging.Logger]):
    """Says nothing while the function is among what an earlier run did."""

    def __init__(self, logger: logging.Logger, history: History) -> None:
        super().__init__(logger)
        self._history = history

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own name
        return not self._history.replaying and super().isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Leave the record as it is; the caller's ``extra`` included."""
        return msg, kwargs
