"""How each end of a run becomes a decision.

Owns which end carries out what: only one that goes on or completes publishes and
starts anything; only one that fails or is cancelled is undone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from workflow_worker import codec
from workflow_worker.app.retry import RetryPolicy
from workflow_worker.errors import (
    ActionFailed,
    Cancelled,
    Continued,
    ControlFlow,
    ErrorCategory,
    EventTimeout,
    Expired,
    InvalidPayload,
    NonDeterminismError,
    Suspended,
    WorkflowTimeout,
)
from workflow_worker.model import Decision, Failure, Outcome, Wait
from workflow_worker.runtime import backoff, baggage, compensation, failure, journal
from workflow_worker.runtime.acting import Later
from workflow_worker.runtime.classify import Verdict
from workflow_worker.runtime.journal import Entry
from workflow_worker.runtime.run import Run
from workflow_worker.runtime.steps import VOID


def decision(
    run: Run,
    outcome: Outcome,
    data: bytes | None,
    result: bytes | None = None,
    why: Failure | None = None,
    *,
    base: bytes = b"",
    attempt: int = 0,
    ending: bool = False,
) -> Decision:
    """Return a decision of the run; nothing may be recorded any more.

    Args:
        run: which ended.
        outcome: how.
        data: of ``ctx.data``, encoded.
        result: what the function returned, encoded.
        why: it failed, now or for good.
        base: what it brings along as a new one, encoded.
        attempt: which try of the workflow comes next; 0 for the same one.
        ending: only its compensations are left.
    """
    entries, consumed, durable = run.history.take()
    closed = why is not None or ending
    completed = outcome is Outcome.COMPLETED
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
        attempt,
        ending,
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
    return _ended(run, error)


def _going_on(run: Run, stop: Suspended | Continued) -> Decision:
    data = None if run.data is None else encoded(run.data)
    if isinstance(stop, Continued) and run.later is None:
        base = baggage.pack(run.data, run.undos)
        return decision(run, Outcome.CONTINUED, data, base=base)
    # What is in flight comes to its end before anything new begins.
    if isinstance(stop, Continued):
        run.payload = b""
    return _suspended(run, data)


def _suspended(run: Run, data: bytes | None, *, ending: bool = False) -> Decision:
    """Go on when what is waited for is there, or a try is due, or the time is over."""
    later, dues = run.later, []
    if later is not None:
        dues.append(later.due_ms)
    if run.deadline_ms is not None and not ending:
        dues.append(run.deadline_ms)
    again_ms = min(dues, default=None)
    if run.wait is not None:
        run.wait = msgspec.structs.replace(run.wait, again_ms=again_ms)
        return decision(run, Outcome.SUSPENDED, data)
    if later is None:
        raise AssertionError("a run was suspended for nothing")
    run.wait = Wait(later.ordinal, again_ms=again_ms)
    return decision(run, Outcome.RETRYING, data, ending=ending)


def killed(run: Run) -> Decision:
    """Return the decision of a run that had to be killed for the function's own code.

    It is not run again to see what it had registered: it would not come to an end.
    """
    error: Exception = EventTimeout(
        f"workflow {run.workflow.name} ran longer than EVENT_TIMEOUT_MS allows and "
        "could not be stopped: its worker was killed"
    )
    if run.expired:
        error = _timeout(run)
    why, verdict = _failure(run, error)
    delay_ms = _delay_ms(run, verdict)
    if delay_ms is not None:
        return _retried(run, why, delay_ms)
    text = "If it had compensations, they did not run.\n"
    why = msgspec.structs.replace(why, traceback=why.traceback + text)
    return decision(run, Outcome.FAILED, None, why=compensation.recorded(run, why))


def _ended(run: Run, error: BaseException) -> Decision:
    """Try again what may heal; else undo what is to be undone, and fail or cancel."""
    if isinstance(error, Cancelled) and run.stop is error:
        return _closed(run, error, None)
    why, verdict = _failure(run, error)
    if not isinstance(error, ControlFlow) and not _comes_of_step(run, error):
        delay_ms = _delay_ms(run, verdict)
        if delay_ms is not None:
            return _retried(run, why, delay_ms)
    return _closed(run, error, why)


def _retried(run: Run, why: Failure, delay_ms: int) -> Decision:
    """Run the function again from the top; what this run buffered is void."""
    run.state = run.data = None
    run.wait = Wait(0, again_ms=run.effects.now_ms() + delay_ms)
    return decision(run, Outcome.RETRYING, None, why=why, attempt=run.attempt + 1)


def _delay_ms(run: Run, verdict: Verdict) -> int | None:
    """Return in how many ms the workflow is tried again; None for never."""
    attempt, retries = run.attempt, RetryPolicy(run.workflow.max_retries)
    policy = backoff.limits(retries, run.terms.retries)
    permanent = verdict.category is ErrorCategory.PERMANENT
    if permanent or attempt > policy.max_retries or run.history.end is not None:
        return None
    return backoff.next_ms(policy, attempt, verdict, run.effects.random(), run.left_ms)


def _comes_of_step(run: Run, error: BaseException) -> bool:
    """Tell whether an error, or what it was raised from or during, is of the journal.

    Then every replay meets it again: the tries of the step were all there are.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen:
            continue
        if run.failed_step(part) is not None:
            return True
        seen.add(id(part))
        waiting += [part.__cause__, part.__context__]
    return False


def _closed(run: Run, error: BaseException, why: Failure | None) -> Decision:
    """Undo what is to be undone, and fail the execution, or cancel it."""
    undone: tuple[Entry, ...] = ()
    if _undoable(run, error):
        try:
            found = compensation.undo_all(run, why)
        except NonDeterminismError as diverged:
            error, why = diverged, _failure(run, diverged)[0]
        else:
            if isinstance(found, Later):
                run.later, run.wait = found, None
                return _suspended(run, _fit_data(run), ending=True)
            undone = found
    if isinstance(error, NonDeterminismError):
        run.state = run.data = None
    data = _fit_data(run)
    if why is None:
        return decision(run, Outcome.CANCELLED, data, ending=True)
    why = compensation.recorded(run, why)
    text = compensation.failures(undone)
    if run.undos and not undone:
        text = "\nIts compensations did not run: by its journal this is not its end.\n"
    why = msgspec.structs.replace(
        why, undone=bool(undone), traceback=why.traceback + text
    )
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


def _failure(run: Run, error: BaseException) -> tuple[Failure, Verdict]:
    """Return why the execution fails, if it does, and what its error asks for."""
    step = run.failed_step(error)
    closing, seen = (step.ordinal, step.seen) if step else (0, 0)
    if isinstance(error, Expired):
        closing, seen = error.ordinal, run.history.ordinal
        error = _timeout(run)
    verdict = run.terms.classifier.verdict(error, None, run.effects.now_ms())
    if isinstance(error, ActionFailed) and step and step.record is not None:
        why = failure.of_action(error, step.record)
    else:
        why = failure.of_workflow(error, verdict, run.attempt)
    return msgspec.structs.replace(why, closing=closing, seen=seen), verdict


def _timeout(run: Run) -> WorkflowTimeout:
    seconds = (run.workflow.timeout_ms or 0) / 1000
    return WorkflowTimeout(
        f"workflow {run.workflow.name} took longer than its timeout of {seconds:g} s"
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
