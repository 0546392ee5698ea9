"""Workflows to wait for, look at and steer: they return, wait, sleep, fail, retry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from workflow_worker import App, Context, Event, PermanentError

app = App("desk")
FOLDER = Path(os.environ.get("MARKS", "."))


@app.action
def double(n: int) -> int:
    return n * 2


@app.action
def pass_gate(name: str) -> str:
    """Fails until the test opens the gate."""
    if not (FOLDER / f"gate.{name}").exists():
        raise PermanentError(f"gate {name} is closed")
    return name


@app.workflow(on=["doubles", "pair"])
def doubles(ctx: Context, event: Event) -> int:
    return double(event.payload["n"])


@app.workflow(on="pair", signals="unused")
def doubled_again(ctx: Context, event: Event) -> int:
    return double(double(event.payload["n"]))


@app.workflow(on="nothing")
def nothing(ctx: Context, event: Event) -> None:
    """Leaves nothing to remember."""


@app.workflow(on="gated")
def gated(ctx: Context, event: Event) -> str:
    return pass_gate(event.payload["gate"])


@app.workflow(on="asks", signals=["yes", "no"], version="2")
def asks(ctx: Context, event: Event) -> dict[str, Any] | None:
    ctx.set_state("asking")
    ctx.data["asked"] = double(event.payload.get("n", 1))
    answer = ctx.wait_for("yes", "no", timeout=event.payload.get("timeout", 3600))
    return answer and {"name": answer.name, **answer.payload}
