"""Executions that wait, submit and are undone, for tests of the service."""

from __future__ import annotations

import threading
import time

from tests.apps.plain import FOLDER, mark
from workflow_worker import App, Context, Event, current_action

app = App("durable")
TOGETHER = 3
together = threading.Barrier(TOGETHER, timeout=20)


def wait_for_gate(name: str) -> None:
    while not (FOLDER / f"gate.{name}").exists():
        time.sleep(0.01)


@app.action
def note(what: str) -> str:
    mark("noted", what, current_action().idempotency_key)
    return what


@app.action
def meet(n: int) -> int:
    """Return only when several run at once."""
    together.wait()
    return n


@app.action
def undo(what: str) -> None:
    mark("undone", what)


@app.action
def through_gate(name: str) -> None:
    mark("at gate", name)
    wait_for_gate(name)


@app.workflow(on="thinks")
def thinks(ctx: Context, event: Event) -> None:
    """Blocks in code of its own, after an action."""
    note(event.key)
    mark("thinking", event.key)
    wait_for_gate(event.key)


@app.workflow(on="placed", signals=["approved", "rejected"])
def approval(ctx: Context, event: Event) -> str:
    ctx.compensate(undo, event.key)
    decision = ctx.wait_for("approved", "rejected")
    assert decision is not None
    return f"{decision.name} by {decision.payload.get('by')}"


@app.workflow(on="steps")
def steps(ctx: Context, event: Event) -> None:
    """Two gates, an undo registered before the first."""
    ctx.compensate(undo, event.key)
    through_gate(f"{event.key}-1")
    through_gate(f"{event.key}-2")


@app.workflow(on="meets")
def meets(ctx: Context, event: Event) -> list[int]:
    futures = [meet.submit(n) for n in range(TOGETHER)]
    return [future.result() for future in reversed(futures)]


@app.workflow(on="reminder")
def reminder(ctx: Context, event: Event) -> None:
    mark("reminded", event.key)
