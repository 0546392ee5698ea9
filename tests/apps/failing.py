"""Actions and workflows that fail, hang and take long, each in its own way."""

from __future__ import annotations

import threading
import time

from tests.apps.plain import FOLDER, mark
from workflow_worker import (
    ActionFailed,
    App,
    Context,
    Event,
    PermanentError,
    RecoverableError,
    RetryPolicy,
    TransientError,
    current_action,
)

app = App("failing")


@app.action
def shaky(key: str, category: str) -> int:
    """Fail twice; both tries and the third say which they are."""
    attempt = current_action().attempt
    mark("tried", key, str(attempt))
    if attempt <= 2:
        if category == "transient":
            raise TransientError(f"no {attempt}")
        raise RecoverableError(f"no {attempt}")
    return attempt


@app.workflow(on="shaky", result_ttl=60)
def shaking(ctx: Context, event: Event) -> int:
    return shaky(event.key, event.payload["category"])


@app.action(retry=RetryPolicy(max_retries=1, base=3600, jitter=False))
def patient(key: str) -> None:
    """Fail, so that the next try is in an hour."""
    mark("tried", key, str(current_action().attempt))
    raise RecoverableError("later")


@app.workflow(on="patient")
def waiting(ctx: Context, event: Event) -> None:
    patient(event.key)


@app.action(timeout=0.5, max_retries=1)
def spin(key: str) -> None:
    """Never end, in Python."""
    mark("tried", key)
    while True:
        pass


@app.action(timeout=0.5, max_retries=1)
def stuck(key: str) -> None:
    """Never end, in C: no exception gets into this wait."""
    mark("tried", key)
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@app.workflow(on="late")
def late(ctx: Context, event: Event) -> str:
    action = {"spin": spin, "stuck": stuck}[event.payload["how"]]
    try:
        if event.payload.get("beside"):
            action.submit(event.key).result()
        else:
            action(event.key)
    except ActionFailed as failed:
        return f"{failed.error_type.rpartition('.')[2]} {failed.attempts}"
    return "it ended"


@app.action(timeout=0.5)
def beat(key: str) -> str:
    """Take thrice its time, with a sign of life now and then."""
    mark("tried", key)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        time.sleep(0.05)
        current_action().heartbeat()
    return "alive"


@app.workflow(on="beat")
def beating(ctx: Context, event: Event) -> str:
    if event.payload.get("beside"):
        return beat.submit(event.key).result()
    return beat(event.key)


@app.action
def undo(key: str) -> None:
    mark("undone", key)


@app.workflow(on="expire", timeout=0.5, signals="never")
def expiring(ctx: Context, event: Event) -> None:
    """Take longer than it may: in a wait, an action or its own code."""
    mark("ran", event.key)
    ctx.compensate(undo, event.key)
    how = event.payload["how"]
    if how == "wait":
        ctx.wait_for("never")
    elif how == "action":
        spin(event.key)
    else:
        while True:
            pass


@app.workflow(on="forever")
def forever(ctx: Context, event: Event) -> None:
    """Never come to an end, without any limit of its own."""
    mark("ran", event.key)
    while True:
        time.sleep(1)


@app.action
def fail(key: str) -> None:
    mark("failed", key)
    raise PermanentError("as asked")


@app.action(retry=RetryPolicy(max_retries=5, base=0.01))
def shaky_undo(key: str) -> None:
    attempt = current_action().attempt
    mark("undone", key, str(attempt))
    if attempt < 3:
        raise RecoverableError("not now")


@app.workflow(on="undo")
def undoing(ctx: Context, event: Event) -> None:
    for name in ("first", "second"):
        ctx.compensate(shaky_undo, f"{event.key}-{name}")
    fail(event.key)


@app.workflow(on="neighbour", result_ttl=60)
def neighbour(ctx: Context, event: Event) -> str:
    """Run until the test says so."""
    mark("began", event.key)
    while not (FOLDER / f"gate.{event.key}").exists():
        time.sleep(0.01)
    return "fine"
