"""One action, run now: in the workflow's thread or beside it.

Owns the rule "seen is durable": no action starts before every result the function has
seen is stored, nor on a lease that may be lost. Must never let an error of the action
out: it becomes a part of the entry.
"""

from __future__ import annotations

import msgspec

from workflow_worker import codec
from workflow_worker.app.current import Callee, CurrentAction, begin, end
from workflow_worker.runtime import failure
from workflow_worker.runtime.journal import ACTION, Entry
from workflow_worker.runtime.steps import VOID, Steps

Done = tuple[Entry, BaseException | None]
"""What came of an action, and the exception it raised, if this run saw it."""


def perform(
    steps: Steps,
    action: Callee,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    ordinal: int,
    *,
    kind: str = ACTION,
    beside: bool = False,
) -> Done:
    """Run an action and return its entry, which is not kept yet.

    Args:
        steps: the run.
        action: what to run.
        args: by position.
        kwargs: by name.
        ordinal: its place in program order.
        kind: of the entry.
        beside: this is not the workflow's thread.

    Raises:
        LeaseLost: another worker owns the execution now.
    """
    effects = steps.effects
    steps.history.store(effects)
    if beside:
        effects.ensure()
    else:
        effects.acting(action.name)
    started_ms, start = effects.now_ms(), effects.monotonic()
    result, error, cause = b"null", None, None
    outer = begin(CurrentAction(steps, ordinal, kind, beside=beside))
    try:
        value = action.fn(*args, **kwargs)
        result = codec.encode(value, action.what, max_bytes=steps.limit)
    except VOID:
        raise
    except BaseException as raised:  # noqa: BLE001 - a record of whatever it was
        error, cause = failure.record(raised), raised
    finally:
        end(outer)
        if not beside:
            effects.acting("")
    entry = Entry(
        ordinal=ordinal,
        kind=kind,
        name=action.name,
        result=msgspec.Raw(result),
        error=error,
        started_ms=started_ms,
        duration_ms=round((effects.monotonic() - start) * 1000, 3),
    )
    return entry, cause
