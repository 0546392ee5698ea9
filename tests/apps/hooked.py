"""An App with a hook of each kind; they leave marks, and fail where a test asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from tests.apps.plain import FOLDER, mark
from tests.apps.plain import app as plain
from workflow_worker import (
    ActionCall,
    App,
    Context,
    DeadLetterNotice,
    Event,
    PermanentError,
)

app = App("hooked")
app.include(plain)


def thread() -> str:
    own = threading.current_thread()
    return "main" if own is threading.main_thread() else own.name


@app.on_worker_start
def start() -> None:
    mark("start", "worker", thread())
    if (FOLDER / "away").exists():
        message = "the database is away"
        raise ConnectionError(message)


@plain.on_worker_stop
def stop() -> None:
    mark("stop", "worker", thread())
    message = "no matter"
    raise ConnectionError(message)


@app.around_action
def around(call: ActionCall) -> Iterator[None]:
    mark("before", call.execution_id)
    yield
    mark("after", call.execution_id)


@app.on_dead_letter
def buried(notice: DeadLetterNotice) -> None:
    key = notice.event.key if notice.event else ""
    gate = FOLDER / f"gate.{key}"
    while key == "held" and not gate.exists():
        time.sleep(0.01)
    mark("buried", key, f"{notice.error_type} {notice.message} {thread()}")
    if key == "bad":
        raise ConnectionError(key)


@app.action
def act(n: int) -> int:
    return n


@app.workflow(on="acts", result_ttl=60)
def acts(ctx: Context, event: Event) -> int:
    return act(event.payload["n"])


@app.workflow(on="permanent")
def permanent(ctx: Context, event: Event) -> None:
    raise PermanentError("as asked")
