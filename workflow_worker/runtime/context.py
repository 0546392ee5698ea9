"""The context: what a workflow function sees of its execution.

Owns the user's view and that it ends with the run, and in the run's thread. Must never
hold state of its own: everything is the run's.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from workflow_worker.app.action import current
from workflow_worker.errors import OutsideWorkflowError
from workflow_worker.model import Event
from workflow_worker.runtime.replay import History

if TYPE_CHECKING:
    from workflow_worker.runtime.run import Run


class Context:
    """What a workflow knows about its execution, and may do besides actions.

    Usable while the workflow runs, in the thread that runs it; anything else raises
    :class:`OutsideWorkflowError`.
    """

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def event(self) -> Event:
        """The event that started this execution."""
        return self._here().event

    @property
    def key(self) -> str:
        """Business key of that event; its id where the publisher gave no key."""
        return self._here().event.key

    @property
    def execution_id(self) -> str:
        """Id of this execution, the same over crashes and retries."""
        return self._here().task.execution_id

    @property
    def attempt(self) -> int:
        """Which try of the workflow this is, from 1; replays of one try count once."""
        return self._here().attempt

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger ``workflow.<name>``; silent about what an earlier run has said."""
        run = self._here()
        return _ReplayLogger(
            logging.getLogger(f"workflow.{run.task.workflow}"), run.history
        )

    @property
    def state(self) -> str:
        """The business state this run has set; empty before."""
        return self._here().state or ""

    def set_state(self, state: str) -> None:
        """Set the business state, visible to operators from the next commit on.

        Raises:
            InvalidPayload: it is no text.
        """
        self._here().set_state(state)

    def emit(self, name: str, payload: object, key: str | None = None) -> None:
        """Publish an event when the execution completes; never if it fails.

        Args:
            name: of the event.
            payload: what becomes a JSON object: dict, dataclass, TypedDict or
                msgspec.Struct.
            key: business key; by default the new event's id.

        Raises:
            InvalidPayload: name, payload or key can't be sent.
        """
        self._here().emit(name, payload, key)

    def _here(self) -> Run:
        # One comparison tells both: another thread, and a run that is over.
        if current() is not self._run:
            raise OutsideWorkflowError(
                "ctx was used outside its workflow: it ends with the function, and "
                "belongs to the thread that runs it"
            )
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
