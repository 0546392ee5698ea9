"""Every error of workflow-worker, as one tree.

::

    Exception
    ├── WorkflowWorkerError          base of what callers may catch
    │   ├── ConfigurationError       a setting, flag or file is wrong: exit status 2
    │   │   └── DefinitionError      a workflow or action is declared wrongly
    │   ├── Unavailable              Redis could not be reached in time: exit status 3
    │   │   └── OutcomeUnknown       the reply was lost: it may or may not have happened
    │   ├── Rejected                 Redis answered, but would not take the write
    │   ├── InvalidPayload           a value can't be encoded, decoded or is too large
    │   ├── ExecutionNotFound        neither queued nor recorded
    │   ├── ExecutionFailed          an execution waited for ended without a result
    │   ├── NotPossible              what an operator asks for does not fit its status
    │   ├── NonDeterminismError      a replay asks for something its journal has not
    │   ├── OutsideWorkflowError     ctx or an action used from a foreign thread
    │   ├── ActionFailed             an action failed for good; carries the record of it
    │   ├── ActionTimeout            a try of an action took longer than its timeout
    │   ├── WorkflowTimeout          an execution took longer than its timeout
    │   ├── EventTimeout             a run took longer than EVENT_TIMEOUT_MS
    │   ├── LockNotAcquired          somebody else held a lock for as long as was waited
    │   └── LockLost                 a lock was held no longer when it was needed
    ├── TransientError               raised by users: retry at once
    ├── RecoverableError             raised by users: retry after a delay
    └── PermanentError               raised by users: a person must act

    BaseException
    └── ControlFlow                  ours; no ``except Exception`` can eat it
        ├── LeaseLost                somebody else owns the entry now: drop everything
        ├── Halted                   the worker is ending; the entry resumes elsewhere
        ├── Suspended                the execution waits; it holds no thread meanwhile
        ├── Continued                the execution goes on with an empty journal
        ├── Cancelled                an operator asked for it
        ├── Expired                  the time of the execution is over
        ├── Closing                  it ended in an earlier run, and is being undone
        └── TimeUp                   the time of the action in this thread is over
"""

from __future__ import annotations

import enum
from datetime import timedelta


class ErrorCategory(enum.StrEnum):
    """What an error asks for; decides what happens to the event that met it."""

    TRANSIENT = "transient"
    """Gone in a moment: retried at once, in the thread."""
    RECOVERABLE = "recoverable"
    """Gone in a while: retried after a delay."""
    PERMANENT = "permanent"
    """Stays until a person acts: dead letter."""


class WorkflowWorkerError(Exception):
    """Base of every error this library raises for callers."""


class ConfigurationError(WorkflowWorkerError):
    """A setting or flag is wrong; the message is one sentence for the operator."""


class DefinitionError(ConfigurationError):
    """A workflow or action can't work as it was declared; raised where it is."""


class Unavailable(WorkflowWorkerError):  # noqa: N818 - a state of the world
    """Redis could not be reached within the time allowed; nothing was done."""


class OutcomeUnknown(Unavailable):
    """The connection broke after sending: the write may or may not have landed."""


class Rejected(WorkflowWorkerError):  # noqa: N818 - the server's word, not our fault
    """Redis answered but refused the write, full memory for instance."""


class InvalidPayload(WorkflowWorkerError):  # noqa: N818 - names the value, not an act
    """A payload, result or data value can't be encoded or decoded, or is too large."""


class ExecutionNotFound(WorkflowWorkerError):  # noqa: N818 - the contract's name
    """No execution with this id is queued or recorded."""


class ExecutionFailed(WorkflowWorkerError):  # noqa: N818 - the contract's name
    """An execution somebody waited for ended without a result.

    Attributes:
        execution_id: which.
        status: ``failed`` or ``cancelled``.
        error_type: qualified name of the exception's class; empty if cancelled.
        message: its text.
        category: how it was classified.
    """

    def __init__(
        self,
        execution_id: str,
        status: str,
        error_type: str = "",
        message: str = "",
        category: ErrorCategory = ErrorCategory.PERMANENT,
    ) -> None:
        why = f": {error_type}: {message}" if error_type else ""
        super().__init__(f"execution {execution_id} {status}{why}")
        self.execution_id = execution_id
        self.status = status
        self.error_type = error_type
        self.message = message
        self.category = category


class NotPossible(WorkflowWorkerError):  # noqa: N818 - the answer to a request
    """An execution's status does not allow what was asked; the message says why."""


class NonDeterminismError(WorkflowWorkerError):
    """The function asks for something else than its journal says it did."""


class OutsideWorkflowError(WorkflowWorkerError):
    """The context or an action was used from a thread that does not run a workflow."""


class ActionFailed(WorkflowWorkerError):  # noqa: N818 - the contract's name
    """An action failed for good.

    The same on the first run and on replay, so a workflow that catches it takes the
    same path both times.

    Attributes:
        action: name of the action.
        error_type: qualified name of the original exception class.
        bases: qualified names of that class and its bases, for :meth:`matches`.
        message: text of the original exception.
        category: how it was classified.
        attempts: how often the action was tried.
    """

    def __init__(
        self,
        action: str,
        error_type: str,
        message: str,
        category: ErrorCategory,
        attempts: int,
        bases: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"action {action} failed: {error_type}: {message}")
        self.action = action
        self.error_type = error_type
        self.message = message
        self.category = category
        self.attempts = attempts
        self.bases = bases or (error_type,)

    def matches(self, kind: type[BaseException]) -> bool:
        """Tell whether the original exception was a ``kind`` or derived from it."""
        return qualified_name(kind) in self.bases


class ActionTimeout(WorkflowWorkerError, TimeoutError):  # noqa: N818 - the contract's name
    """A try of an action took longer than its ``timeout=`` or ``EVENT_TIMEOUT_MS``."""


class WorkflowTimeout(WorkflowWorkerError, TimeoutError):  # noqa: N818 - like ActionTimeout
    """An execution took longer than its workflow's ``timeout=``, waits included."""


class EventTimeout(WorkflowWorkerError, TimeoutError):  # noqa: N818 - like ActionTimeout
    """A run took longer than ``EVENT_TIMEOUT_MS``, in the workflow's own code."""


class LockNotAcquired(WorkflowWorkerError):  # noqa: N818 - the contract's name
    """Somebody else held the lock for as long as was waited for it."""


class LockLost(WorkflowWorkerError):  # noqa: N818 - the contract's name
    """The lock's time ran out before it was renewed; somebody else may hold it now."""


class TransientError(Exception):
    """Raise in an action or workflow: retry at once."""


class RecoverableError(Exception):
    """Raise in an action or workflow: retry after a delay.

    Args:
        message: what went wrong.
        retry_after: seconds or timedelta to wait at least, where the other side said
            so.
    """

    def __init__(
        self, message: str = "", *, retry_after: float | timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(Exception):
    """Raise in an action or workflow: do not retry, a person must act."""


class ControlFlow(BaseException):
    """Unwinds user code for our own reasons; never an error of the user's."""


class LeaseLost(ControlFlow):
    """Another worker owns the entry now; whatever this run did is void."""


class Halted(ControlFlow):
    """The worker is ending before the function did; the entry resumes elsewhere."""


class Suspended(ControlFlow):
    """The execution waits for an event or a time; it is run again when that comes."""


class Continued(ControlFlow):
    """The execution goes on from its beginning, with another payload."""


class Cancelled(ControlFlow):
    """An operator asked for the end of this execution."""


class Expired(ControlFlow):
    """The time of the execution is over; nothing new is to begin.

    Attributes:
        ordinal: of the step that it came before, or that it was too short for.
    """

    def __init__(self, ordinal: int) -> None:
        super().__init__()
        self.ordinal = ordinal


class Closing(ControlFlow):
    """The execution ended in an earlier run; only its compensations are left."""


class TimeUp(ControlFlow):
    """The time of the action that runs in this thread is over."""


def qualified_name(kind: type) -> str:
    """Return ``module.Class``, or only ``Class`` for builtins."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
