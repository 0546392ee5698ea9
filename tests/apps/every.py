"""Executions of every status at once, and children, for whoever lists them."""

from __future__ import annotations

import time

from tests.apps import desk, failing
from tests.apps.plain import FOLDER
from workflow_worker import App, Context, Event

app = App("every")
app.include(desk.app)
app.include(failing.app)


@app.action
def note(key: str) -> str:
    return key


@app.action
def gate(name: str) -> None:
    """Last until the test opens the gate."""
    while not (FOLDER / f"gate.{name}").exists():
        time.sleep(0.01)


@app.workflow(on="long")
def long(ctx: Context, event: Event) -> str:
    """Is running, with something in its journal, until the test says so."""
    found = note(event.key)
    gate(event.key)
    return found


@app.workflow(on="parent")
def parent(ctx: Context, event: Event) -> object:
    ctx.set_state("waits for its child")
    return ctx.start("asks", {"n": 2}).result()
