"""Compensations: what undoes a finished action when the execution fails after all.

Owns their order, the last registered first, that one which fails for good keeps no
other from running, and that they run for the end which first was met. Must never run
one twice that is recorded.
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn

import msgspec

from workflow_worker import codec
from workflow_worker.app import Action
from workflow_worker.app.current import Callee
from workflow_worker.app.retry import RetryPolicy
from workflow_worker.errors import DefinitionError
from workflow_worker.model import Failure
from workflow_worker.runtime import journal
from workflow_worker.runtime.acting import Later, perform
from workflow_worker.runtime.baggage import Undo
from workflow_worker.runtime.journal import UNDO, End, Entry
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


def undo_all(run: Run, why: Failure | None) -> tuple[Entry, ...] | Later:
    """Run what is registered, the last first; return what came of each.

    Args:
        run: which has come to its end.
        why: it failed; None if it was cancelled.

    Returns:
        The entries; or when to go on with one that is to be tried again.

    Raises:
        LeaseLost: another worker owns the execution now.
        NonDeterminismError: an earlier run did another one.
    """
    undos, end = run.undos, run.history.end
    if end is not None:
        # What the function registered only now, in this run, was never begun.
        undos = undos[: _read(end).undos]
    elif undos and why is not None and not run.history.undoing:
        # Whatever a later run would come to: this is how it ended.
        run.keep(journal.END, "", journal.encode(End(why, len(undos))))
    entries: tuple[Entry, ...] = ()
    for undo in reversed(undos):
        found = _undo(run, undo)
        if isinstance(found, Later):
            return found
        entries += (found,)
    return entries


def recorded(run: Run, why: Failure) -> Failure:
    """Return why the execution failed when it first did, if it is being undone."""
    end = run.history.end
    return why if end is None else _read(end).failure


def failures(entries: tuple[Entry, ...]) -> str:
    """Say which of them failed with what, for the text of a failure."""
    return "".join(
        f"\nIts compensation {entry.name} failed too:\n\n"
        f"{entry.error.traceback or f'{entry.error.type}: {entry.error.message}'}"
        for entry in entries
        if entry.error is not None
    )


def _read(end: Entry) -> End:
    found: End = codec.decode(end.result, End, "the end of an execution")
    return found


def _undo(run: Run, undo: Undo) -> Entry | Later:
    entry = run.history.undo(undo.action)
    if entry is not None:
        return entry
    known = run.catalog.actions.get(undo.action)
    action: Callee = _Missing(undo.action) if known is None else known
    args, kwargs = _arguments(undo)
    done = perform(run, action, args, kwargs, run.history.ordinal, kind=UNDO)
    if isinstance(done, Later):
        return done
    entry = done[0]
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
    timeout_ms: int | None = None
    retry: RetryPolicy | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.what = f"result of action {name}"
        self.fn = self._fail

    def _fail(self, *args: object, **kwargs: object) -> NoReturn:
        raise DefinitionError(f"this App has no action {self.name} any more")
