"""Which category an exception belongs to."""

from __future__ import annotations

from workflow_worker.errors import (
    ActionFailed,
    ErrorCategory,
    ExecutionFailed,
    RecoverableError,
    TransientError,
)


def classify(error: BaseException) -> ErrorCategory:
    """Return what the error asks for; an unknown one asks for a person."""
    if isinstance(error, (ActionFailed, ExecutionFailed)):
        return error.category
    if isinstance(error, TransientError):
        return ErrorCategory.TRANSIENT
    if isinstance(error, RecoverableError):
        return ErrorCategory.RECOVERABLE
    return ErrorCategory.PERMANENT
