"""How each end of a run becomes a decision.

Owns which end carries out what: only one that goes on or completes publishes and
starts anything; only one that fails or is cancelled is undone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from workflow_worker import codec
from workflow_worker.errors import (
    ActionFailed,
    Cancelled,
    Continued,
    InvalidPayload,
    NonDeterminismError,
    Suspended,
)
from workflow_worker.model import Decision, Failure, Outcome
from workflow_worker.runtime import baggage, compensation, failure, journal
from workflow_worker.runtime.journal import Entry
from workflow_worker.runtime.run import Run
from workflow_worker.runtime.steps import VOID


def decision(
    run: Run,
    outcome: Outcome,
    data: bytes | None,
    result: bytes | None = None,
    why: Failure | None = None,
    base: bytes = b"",
) -> Decision:
    """Return a decision of the run; nothing may be recorded any more.

    Args:
        run: which ended.
        outcome: how.
        data: of ``ctx.data``, encoded.
        result: what the function returned, encoded.
        why: it failed.
        base: what it brings along as a new one, encoded.
    """
    entries, consumed, durable = run.history.take()
    closed = why is not None or isinstance(run.stop, Cancelled)
    completed = why is None and run.stop is None
    # A completed execution without a journal gets none: it leaves no record.
    if run.notes and not closed and (entries or durable or not completed):
        notes = _notes(run)
        entries += notes
        consumed += ("",) * len(notes) if consumed else ()
    workflow = run.workflow
    return Decision(
        outcome,
        result,
        why,
        run.state,
        () if closed else run.emits,
        entries,
        durable,
        workflow.result_ttl_ms if completed else None,
        workflow.version,
        consumed,
        () if closed else run.children,
        data,
        run.wait,
        run.undos != (),
        workflow.signals != (),
        run.payload,
        base,
    )


def encoded(data: dict[str, Any]) -> bytes:
    """Encode what ``ctx.data`` holds.

    Raises:
        InvalidPayload: something without a JSON form was put into one of its values.
    """
    return codec.encode_object(data, "ctx.data")


def judged(run: Run, error: BaseException) -> Decision:
    """Return the decision of a function that ended with an exception, whichever.

    Raises:
        LeaseLost: another worker owns the execution now.
        Halted: the worker is ending.
    """
    if isinstance(error, VOID):
        run.halt(error)
    run.join()
    stop = run.stop
    if isinstance(stop, VOID):
        raise stop
    if isinstance(stop, (Suspended, Continued)):
        try:
            return _going_on(run, stop)
        except InvalidPayload as unfit:
            error, run.wait, run.payload = unfit, None, b""
    elif stop is not None:
        error = stop
    return _closed(run, error)


def _going_on(run: Run, stop: Suspended | Continued) -> Decision:
    data = None if run.data is None else encoded(run.data)
    if isinstance(stop, Suspended):
        return decision(run, Outcome.SUSPENDED, data)
    base = baggage.pack(run.data, run.undos)
    return decision(run, Outcome.CONTINUED, data, base=base)


def _closed(run: Run, error: BaseException) -> Decision:
    """Undo what is to be undone, and fail or cancel the execution."""
    undone: tuple[Entry, ...] = ()
    if _undoable(run, error):
        try:
            undone = compensation.undo_all(run)
        except NonDeterminismError as diverged:
            error = diverged
    if isinstance(error, NonDeterminismError):
        run.state = run.data = None
    data = _fit_data(run)
    if isinstance(error, Cancelled) and run.stop is error:
        return decision(run, Outcome.CANCELLED, data)
    why = _failure(run, error, undone)
    return decision(run, Outcome.FAILED, data, why=why)


def _undoable(run: Run, error: BaseException) -> bool:
    # Where the journal goes on, an earlier run did not end here, and what that one
    # registered later is not known: rather nothing is undone than a part of it.
    return not isinstance(error, NonDeterminismError) and not run.history.replaying


def _fit_data(run: Run) -> bytes | None:
    try:
        return None if run.data is None else encoded(run.data)
    except InvalidPayload:
        return None


def _failure(run: Run, error: BaseException, undone: tuple[Entry, ...]) -> Failure:
    step = run.failed_step(error)
    if isinstance(error, ActionFailed) and step and step.record is not None:
        why = failure.of_action(error, step.record)
    else:
        why = failure.of_workflow(error, run.attempt)
    text = compensation.failures(undone)
    if run.undos and not undone:
        text = "\nIts compensations did not run: by its journal this is not its end.\n"
    return msgspec.structs.replace(
        why,
        closing=step.ordinal if step else 0,
        seen=step.seen if step else 0,
        undone=bool(undone),
        traceback=why.traceback + text,
    )


def _notes(run: Run) -> tuple[bytes, ...]:
    """Return entries of what the commit carries out, so that no replay repeats it.

    Only the commit may store them: an append would come before what they tell of.
    """
    now_ms = run.effects.now_ms()
    return tuple(
        journal.encode(Entry(ordinal, kind, name, started_ms=now_ms))
        for ordinal, kind, name in run.notes
    )
