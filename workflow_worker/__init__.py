"""Durable workflows for Python teams that already run Redis.

The public names. Each is imported when it is first used: a program that only publishes
loads no runtime, and the master, which imports from this package, no App and no Redis.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from workflow_worker.errors import (
    ActionFailed,
    ActionTimeout,
    ConfigurationError,
    DefinitionError,
    ErrorCategory,
    EventTimeout,
    ExecutionFailed,
    ExecutionNotFound,
    InvalidPayload,
    LockLost,
    LockNotAcquired,
    NonDeterminismError,
    NotPossible,
    OutcomeUnknown,
    OutsideWorkflowError,
    PermanentError,
    RecoverableError,
    Rejected,
    TransientError,
    Unavailable,
    WorkflowTimeout,
    WorkflowWorkerError,
)
from workflow_worker.version import VERSION

if TYPE_CHECKING:
    from workflow_worker.app import (
        ActionCall,
        App,
        DeadLetterNotice,
        RetryPolicy,
        current_action,
    )
    from workflow_worker.client import Client
    from workflow_worker.model import Event
    from workflow_worker.runtime.context import Context

__all__ = [
    "ActionCall",
    "ActionFailed",
    "ActionTimeout",
    "App",
    "Client",
    "ConfigurationError",
    "Context",
    "DeadLetterNotice",
    "DefinitionError",
    "ErrorCategory",
    "Event",
    "EventTimeout",
    "ExecutionFailed",
    "ExecutionNotFound",
    "InvalidPayload",
    "LockLost",
    "LockNotAcquired",
    "NonDeterminismError",
    "NotPossible",
    "OutcomeUnknown",
    "OutsideWorkflowError",
    "PermanentError",
    "RecoverableError",
    "Rejected",
    "RetryPolicy",
    "TransientError",
    "Unavailable",
    "WorkflowTimeout",
    "WorkflowWorkerError",
    "__version__",
    "current_action",
]

__version__ = VERSION

_LATER = {
    "App": "workflow_worker.app",
    "ActionCall": "workflow_worker.app",
    "DeadLetterNotice": "workflow_worker.app",
    "RetryPolicy": "workflow_worker.app",
    "Client": "workflow_worker.client",
    "Context": "workflow_worker.runtime.context",
    "Event": "workflow_worker.model",
    "current_action": "workflow_worker.app",
}

if not TYPE_CHECKING:  # else a type checker would believe in every name

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(_LATER[name]), name)
        globals()[name] = found
        return found
