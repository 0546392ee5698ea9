"""Compensations: what undoes a finished action when the execution fails after all.

Owns their order, the last registered first, and that one which fails keeps no other
from running. Must never run one twice that is recorded.
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn

import msgspec

from workflow_worker import codec
from workflow_worker.app import Action
from workflow_worker.app.current import Callee
from workflow_worker.errors import DefinitionError
from workflow_worker.runtime.acting import perform
from workflow_worker.runtime.baggage import Undo
from workflow_worker.runtime.journal import UNDO, Entry
from workflow_worker.runtime.run import Run

log = logging.getLogger(__name__)


def register(
    run: Run, action: object, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    """Have an action run if the execution fails for good or is cancelled.

    Raises:
        DefinitionError: it is no action of this App.
        InvalidPayload: an argument has no JSON form, or is too large.
    """
    run.require_open()
    if (
        not isinstance(action, Action)
        or run.catalog.actions.get(action.name) is not action
    ):
        raise DefinitionError(f"ctx.compensate needs an action of this App: {action!r}")

    def encoded(argument: object, shown: object) -> msgspec.Raw:
        what = f"argument {shown} of compensation {action.name}"
        return msgspec.Raw(codec.encode(argument, what, max_bytes=run.limit))

    undo = Undo(
        action.name,
        tuple(encoded(value, place) for place, value in enumerate(args, 1)),
        {name: encoded(value, name) for name, value in kwargs.items()},
    )
    run.undos += (undo,)


def undo_all(run: Run) -> tuple[Entry, ...]:
    """Run what is registered, the last first; return what came of each.

    Raises:
        LeaseLost: another worker owns the execution now.
        NonDeterminismError: an earlier run did another one.
    """
    return tuple(_undo(run, undo) for undo in reversed(run.undos))


def failures(entries: tuple[Entry, ...]) -> str:
    """Say which of them failed with what, for the text of a failure."""
    return "".join(
        f"\nIts compensation {entry.name} failed too:\n\n"
        f"{entry.error.traceback or f'{entry.error.type}: {entry.error.message}'}"
        for entry in entries
        if entry.error is not None
    )


def _undo(run: Run, undo: Undo) -> Entry:
    entry = run.history.undo(undo.action)
    if entry is not None:
        return entry
    known = run.catalog.actions.get(undo.action)
    action: Callee = _Missing(undo.action) if known is None else known
    args, kwargs = _arguments(undo)
    entry, _ = perform(run, action, args, kwargs, run.history.ordinal, kind=UNDO)
    run.history.add(entry, run.effects)
    if entry.error is not None:
        log.warning(
            "compensation %s of execution %s failed: %s: %s",
            undo.action,
            run.task.execution_id,
            entry.error.type,
            entry.error.message,
        )
    return entry


def _arguments(undo: Undo) -> tuple[tuple[object, ...], dict[str, object]]:
    args = tuple(codec.decode(raw) for raw in undo.args)
    return args, {name: codec.decode(raw) for name, raw in undo.kwargs.items()}


class _Missing:
    """Stands for an action that was declared when its execution continued as new."""

    returns: Any = Any

    def __init__(self, name: str) -> None:
        self.name = name
        self.what = f"result of action {name}"
        self.fn = self._fail

    def _fail(self, *args: object, **kwargs: object) -> NoReturn:
        raise DefinitionError(f"this App has no action {self.name} any more")
