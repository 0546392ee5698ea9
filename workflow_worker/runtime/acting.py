"""One action or compensation, run now: its tries, in the workflow's thread or beside.

Owns the rule "seen is durable": no try starts before every result the function has seen
is stored, nor on a lease that may be lost; and whether a try that failed is the last.
Must never let an error of the action out: it becomes a part of the entry.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from workflow_worker import codec
from workflow_worker.app.current import Callee, CurrentAction, begin, end
from workflow_worker.app.hooks import ActionCall
from workflow_worker.errors import ActionTimeout, ErrorCategory, TimeUp
from workflow_worker.runtime import backoff, failure
from workflow_worker.runtime.classify import Verdict
from workflow_worker.runtime.journal import ACTION, TRY, UNDO, UNDO_TRY, Entry
from workflow_worker.runtime.steps import VOID, Steps

Done = tuple[Entry, BaseException | None]
"""What came of an action, and the exception it raised, if this run saw it."""


class Later(NamedTuple):
    """A try failed, and the next one is not due yet.

    Attributes:
        ordinal: of the action.
        due_ms: when it is, by the server's clock.
    """

    ordinal: int
    due_ms: int


def perform(
    steps: Steps,
    action: Callee,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    ordinal: int,
    *,
    kind: str = ACTION,
    beside: bool = False,
) -> Done | Later:
    """Run an action until it succeeds, or fails for good, or has to wait.

    A transient error is met at once, in this thread; for any other that is worth
    another try the execution gives its thread up. Each failed try is kept.

    Args:
        steps: the run.
        action: what to run.
        args: by position.
        kwargs: by name.
        ordinal: its place in program order.
        kind: of the entry; ``action`` or ``undo``.
        beside: this is not the workflow's thread.

    Returns:
        Its entry, which is not kept yet; or when to go on.

    Raises:
        LeaseLost: another worker owns the execution now.
    """
    history = steps.history
    tried = history.tried(ordinal, kind)
    if tried is not None and not steps.is_due(tried):
        return Later(ordinal, tried.due_ms)
    attempt = tried.attempt + 1 if tried is not None else 1
    if steps.overran(ordinal):
        return _note_kill(steps, action, ordinal, kind, attempt)
    while True:
        done = _try(steps, action, args, kwargs, ordinal, kind, attempt, beside)
        entry, cause = done
        if cause is not None:
            entry = _judged(steps, action, kind, entry, cause)
        _tell(steps, action, kind, entry, entry.duration_ms / 1000)
        if cause is None:
            return done
        if entry.kind == kind:
            return entry, cause
        history.try_failed(entry, kind, steps.effects)
        # What takes no longer than a moment is not worth a suspension.
        pause = max(0, entry.due_ms - steps.effects.now_ms()) / 1000
        cancelled = history.cancel and kind == ACTION
        if cancelled or (pause and not steps.effects.pause(pause)):
            return Later(ordinal, entry.due_ms)
        attempt += 1


def _try(
    steps: Steps,
    action: Callee,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    ordinal: int,
    kind: str,
    attempt: int,
    beside: bool,
) -> Done:
    effects = steps.effects
    steps.history.store(effects)
    seconds = steps.seconds_for(action, kind)
    watch = effects.enter(action.name, ordinal, seconds, beside=beside)
    started_ms, start = effects.now_ms(), effects.monotonic()
    result: bytes = b"null"
    cause: BaseException | None = None
    outer = begin(CurrentAction(steps, ordinal, kind, attempt, watch, beside=beside))
    # The end of its time may come at any instruction, also in the lines that end it:
    # hence twice.
    try:
        try:
            watch.start()
            result = _run(steps, action, args, kwargs, kind, attempt)
        except (*VOID, TimeUp):
            raise
        except BaseException as raised:  # noqa: BLE001 - a record of whatever it was
            cause = raised
        finally:
            watch.end()
    except TimeUp as up:
        watch.end()
        cause = up
    finally:
        end(outer)
    if isinstance(cause, TimeUp) or (cause is not None and watch.hit):
        cause = _timeout(action, seconds, cause)
    entry = Entry(
        ordinal=ordinal,
        kind=kind,
        name=action.name,
        result=msgspec.Raw(result if cause is None else b"null"),
        started_ms=started_ms,
        duration_ms=int((effects.monotonic() - start) * 1_000_000) / 1000,
        attempt=attempt,
    )
    return entry, cause


def _run(
    steps: Steps,
    action: Callee,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    kind: str,
    attempt: int,
) -> bytes:
    """Run the function, inside the hooks there are; return its result, encoded."""

    def act() -> bytes:
        value = action.fn(*args, **kwargs)
        return codec.encode(value, action.what, max_bytes=steps.limit)

    around, task = steps.terms.around, steps.task
    if around is None:
        return act()
    call = ActionCall(
        action.name,
        task.workflow,
        task.execution_id,
        attempt,
        kind == UNDO,
        args,
        kwargs,
    )
    return around.run(call, act)


def _timeout(
    action: Callee, seconds: float | None, cause: BaseException
) -> ActionTimeout:
    """Return the error of an action that was stopped, with where it was then."""
    error = ActionTimeout(f"action {action.name} took longer than {seconds or 0:g} s")
    return error.with_traceback(cause.__traceback__)


def _note_kill(
    steps: Steps, action: Callee, ordinal: int, kind: str, attempt: int
) -> Later:
    """Keep that the last worker had to be killed for a try, which failed by that.

    What comes of it is for another run: this one's entry may have seen many deaths, and
    whatever ran in it would be suspect.
    """
    effects = steps.effects
    limit = "its event may (EVENT_TIMEOUT_MS)"
    if action.timeout_ms is not None:
        limit = f"{action.timeout_ms / 1000:g} s"
    error = ActionTimeout(
        f"action {action.name} took longer than {limit} and could not be stopped: "
        "its worker was killed"
    )
    now_ms = effects.now_ms()
    entry = Entry(ordinal, kind, action.name, started_ms=now_ms, attempt=attempt)
    entry = _judged(steps, action, kind, entry, error)
    _tell(steps, action, kind, entry, None)
    if entry.kind == kind:
        steps.history.add(entry, effects)
        return Later(ordinal, now_ms)
    steps.history.try_failed(entry, kind, effects)
    return Later(ordinal, entry.due_ms)


def _tell(
    steps: Steps, action: Callee, kind: str, entry: Entry, seconds: float | None
) -> None:
    category = entry.error.category if entry.error else ""
    last = entry.kind == kind
    steps.effects.tried(action.name, seconds, category, last=last)


def _judged(
    steps: Steps, action: Callee, kind: str, entry: Entry, cause: BaseException
) -> Entry:
    """Return what is kept of a try that failed: the last one, or one of several."""
    now_ms = steps.effects.now_ms()
    verdict = steps.terms.classifier.verdict(cause, action.retry, now_ms)
    error = failure.record(cause, verdict)
    delay_ms = _delay_ms(steps, action, kind, verdict, entry.attempt)
    if delay_ms is None:
        return msgspec.structs.replace(entry, error=error)
    # Little is kept of those that are not the last, for there may be many.
    return msgspec.structs.replace(
        entry,
        kind=UNDO_TRY if kind == UNDO else TRY,
        error=msgspec.structs.replace(error, bases=(), traceback=""),
        due_ms=now_ms + delay_ms,
    )


def _delay_ms(
    steps: Steps, action: Callee, kind: str, verdict: Verdict, attempt: int
) -> int | None:
    """Return in how many ms to try again; None if that try was the last."""
    policy = backoff.limits(action.retry, steps.terms.retries)
    if verdict.category is ErrorCategory.PERMANENT or attempt > policy.max_retries:
        return None
    left_ms = steps.left_ms if kind == ACTION else None
    return backoff.next_ms(policy, attempt, verdict, steps.effects.random(), left_ms)
