"""An exception as text that survives its process: what is kept of it, and how much.

Owns the shape of recorded errors and of failures, and which frames users get to see.
Must never raise, whatever the exception's own methods do.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from workflow_worker import app, codec
from workflow_worker.errors import (
    ActionFailed,
    ErrorCategory,
    InvalidPayload,
    qualified_name,
)
from workflow_worker.model import Failure
from workflow_worker.runtime.classify import Verdict
from workflow_worker.runtime.journal import RecordedError

_LONGEST_MESSAGE = 10_000
_LONGEST_TRACEBACK = 50_000
"""Characters kept: a journal or dead letter must not grow with what went wrong."""

_OURS = (
    __file__.rpartition("/")[0] + "/",
    app.__file__.rpartition("/")[0] + "/",
    codec.__file__,
)
"""Files whose frames say nothing to a user."""


def record(error: BaseException, verdict: Verdict) -> RecordedError:
    """Return what the journal keeps of an exception that an action raised."""
    return RecordedError(
        type=qualified_name(type(error)),
        bases=tuple(
            qualified_name(kind)
            for kind in type(error).__mro__
            if issubclass(kind, BaseException)
        ),
        message=_message(error),
        category=verdict.category,
        traceback=_traceback(error, chain=True),
        reason=verdict.reason,
    )


def of_workflow(error: BaseException, verdict: Verdict, attempt: int) -> Failure:
    """Return why an execution failed that ended with this exception of its own."""
    return Failure(
        category=verdict.category,
        error_type=qualified_name(type(error)),
        message=_message(error),
        traceback=_traceback(error, chain=True),
        attempts=attempt,
        reason=verdict.reason,
    )


def of_action(error: ActionFailed, recorded: RecordedError) -> Failure:
    """Return why an execution failed that let an action's error through.

    The same from a first run and from a replay, which has the record alone.
    """
    where = _traceback(error, chain=False)
    return Failure(
        category=error.category,
        error_type=error.error_type,
        message=error.message,
        traceback=f"{recorded.traceback}\nThe workflow got it as:\n\n{where}",
        attempts=error.attempts,
        reason=recorded.reason,
        action=error.action,
    )


def of_entry(defect: str) -> Failure:
    """Return why an execution failed whose entry can't be understood."""
    return Failure(
        category=ErrorCategory.PERMANENT,
        error_type=qualified_name(InvalidPayload),
        message=_cut(defect, _LONGEST_MESSAGE),
        reason="an entry that can't be understood never can be",
    )


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - the user's __str__ may do anything
        text = f"<its text can't be had: {type(broken).__name__}>"
    return _cut(text, _LONGEST_MESSAGE)


def _traceback(error: BaseException, *, chain: bool) -> str:
    shown = traceback.TracebackException.from_exception(error)
    for part in _chain(shown):
        kept = [frame for frame in part.stack if not frame.filename.startswith(_OURS)]
        part.stack[:] = kept
    return _cut("".join(shown.format(chain=chain)), _LONGEST_TRACEBACK)


def _chain(
    shown: traceback.TracebackException,
) -> Iterator[traceback.TracebackException]:
    """Walk an exception with its causes, contexts and groups."""
    waiting: list[traceback.TracebackException | None] = [shown]
    while waiting:
        part = waiting.pop()
        if part is not None:
            yield part
            waiting += [part.__cause__, part.__context__, *(part.exceptions or ())]


def _cut(text: str, longest: int) -> str:
    """Return text that UTF-8 can carry, its middle left out if it is too long."""
    safe = text.encode("utf-8", "backslashreplace").decode()
    if len(safe) <= longest:
        return safe
    half = longest // 2
    return f"{safe[:half]}\n[... {len(safe) - 2 * half} more ...]\n{safe[-half:]}"
