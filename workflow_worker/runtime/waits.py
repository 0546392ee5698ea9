"""Waiting without a thread: for signals, results of children, and times.

Owns how a wait is resolved: by what is recorded, else by a time that is over, else by
the first of the awaited things in the inbox; else the run is suspended. Must never take
a thing out of the inbox without an entry that says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from workflow_worker import codec
from workflow_worker.errors import DefinitionError, InvalidPayload
from workflow_worker.model import Event, Item, Wait
from workflow_worker.runtime import failure
from workflow_worker.runtime.durations import instant, milliseconds
from workflow_worker.runtime.journal import NULL, REFUSED, SLEEP, WAIT, Entry
from workflow_worker.runtime.run import Run
from workflow_worker.runtime.steps import VOID

log = logging.getLogger(__name__)

_SHORT_MS = 1000
"""A shorter sleep may be spent in the thread, if the worker's effects think so."""


def wait_for(
    run: Run, names: tuple[str, ...], timeout: float | timedelta | None
) -> Event | None:
    """Return the next of these signals; None if the timeout came first.

    Raises:
        DefinitionError: the names are none that the workflow can wait for.
        ValueError: the timeout is no duration.
    """
    _require_declared(run, names)

    def read(item: Item) -> bytes:
        event = codec.event_from_fields("", item.fields, max_bytes=run.limit)
        return codec.encode(event, f"signal {item.name}")

    delay_ms = delay(timeout, "the timeout of ctx.wait_for")
    entry = resolve(run, WAIT, names, delay_ms, read)
    if timed_out(entry):
        return None
    event: Event = codec.decode(entry.result, Event, f"signal {entry.name}")
    return event


def sleep(run: Run, duration: float | timedelta) -> None:
    """Go on after a duration.

    Raises:
        ValueError: it is no duration.
    """
    delay_ms = milliseconds(duration, "what ctx.sleep is given")
    if run.step(SLEEP, "") is not None:
        return
    if not _over(run) and not _paused(run, delay_ms):
        run.suspend(Wait(run.history.ordinal, delay_ms=delay_ms))
    run.keep(SLEEP, "")


def sleep_until(run: Run, when: datetime) -> None:
    """Go on at an instant; at once if it is past.

    Raises:
        ValueError: it is no aware datetime.
    """
    due_ms = instant(when, "what ctx.sleep_until is given")
    if run.step(SLEEP, "") is not None:
        return
    if not _over(run) and due_ms > run.effects.now_ms():
        run.suspend(Wait(run.history.ordinal, due_ms=due_ms))
    run.keep(SLEEP, "")


def delay(timeout: float | timedelta | None, what: str) -> int | None:
    """Return a timeout in ms; None for none.

    Raises:
        ValueError: it is no duration.
    """
    return None if timeout is None else milliseconds(timeout, what)


def timed_out(entry: Entry) -> bool:
    """Tell whether the time of a wait was over before what it waited for came."""
    return bytes(entry.result) == bytes(NULL)


def resolve(
    run: Run,
    kind: str,
    names: tuple[str, ...],
    delay_ms: int | None,
    read: Callable[[Item], bytes],
) -> Entry:
    """Count a wait, and return its entry once there is one; else suspend the run.

    Args:
        run: whose wait it is.
        kind: of the entry.
        names: of the inbox items awaited.
        delay_ms: until it times out; None for never.
        read: makes the entry's result of an item, encoded; InvalidPayload refuses it.
    """
    name = "|".join(names)
    entry = run.step(kind, name)
    if entry is not None:
        return entry
    if _over(run):
        return run.keep(kind, name)
    while True:
        item = _next(run, names)
        if item is None:
            run.suspend(Wait(run.history.ordinal, names, delay_ms))
        try:
            result = read(item)
        except InvalidPayload as error:
            _refuse(run, item, error)
        else:
            return run.keep(kind, name, result, consumes=item.name)


def _next(run: Run, names: tuple[str, ...]) -> Item | None:
    """Take the awaited item that came first; where the rest isn't here, only once."""
    awaited = [item for item in run.inbox if item.name in names]
    if not awaited:
        return None
    first = min(awaited, key=lambda item: item.sequence)
    run.inbox = tuple(item for item in run.inbox if item is not first)
    return first


def _refuse(run: Run, item: Item, error: InvalidPayload) -> None:
    log.warning(
        "%s of execution %s can't be understood, so it is dropped: %s",
        item.name,
        run.task.execution_id,
        error,
    )
    texts = [raw.decode(errors="backslashreplace") for raw in item.fields]
    shown = dict(zip(texts[::2], texts[1::2], strict=False))
    run.keep(
        REFUSED,
        item.name,
        codec.encode(shown, "fields"),
        consumes=item.name,
        error=failure.record(error, run.terms.classifier.verdict(error)),
    )


def _over(run: Run) -> bool:
    record = run.task.record
    return record is not None and record.fired == run.history.ordinal


def _paused(run: Run, delay_ms: int) -> bool:
    if delay_ms >= _SHORT_MS:
        return False
    try:
        return run.effects.pause(delay_ms / 1000)
    except VOID as stop:
        run.halt(stop)
        raise


def _require_declared(run: Run, names: tuple[str, ...]) -> None:
    declared = run.workflow.signals
    if not names or len(set(names)) < len(names):
        raise DefinitionError(
            f"ctx.wait_for needs names of signals, each once, not {names!r}"
        )
    for name in names:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise DefinitionError(
                f"{run.workflow.place} waits for {name!r}, but declares in signals=: "
                f"{known}"
            )
