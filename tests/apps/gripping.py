"""An action in C that keeps the interpreter, and neighbours that it keeps from it."""

from __future__ import annotations

import ctypes

from tests.apps.plain import app as plain
from tests.apps.plain import mark
from workflow_worker import App, Context, Event

app = App("gripping")
app.include(plain)


@app.action
def grip(name: str, ms: int) -> None:
    mark("gripped", name)
    # PyDLL, unlike CDLL, lets nobody else run meanwhile.
    ctypes.PyDLL(None).usleep(ms * 1000)


@app.workflow(on="grips")
def grips(ctx: Context, event: Event) -> None:
    grip(event.key, event.payload["ms"])
    mark("ran", event.key)
