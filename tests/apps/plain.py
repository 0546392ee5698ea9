"""Small workflows for tests of the service: quick, slow, failing, emitting."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from workflow_worker import App, Context, Event, PermanentError

app = App("plain")
FOLDER = Path(os.environ.get("MARKS", "."))


def mark(kind: str, name: str, text: str = "") -> None:
    """Leave a line where the test can see it: what, when, by whom."""
    line = f"{time.monotonic()} {os.getpid()} {threading.get_ident()} {text}\n"
    with (FOLDER / f"{kind}.{name}").open("a") as file:
        file.write(line)


@app.workflow(on="nothing")
def nothing(ctx: Context) -> None:
    """Ends at once."""


@app.workflow(on="quick")
def quick(ctx: Context, event: Event) -> None:
    mark("ran", event.key)


@app.workflow(on="slow")
def slow(ctx: Context, event: Event) -> None:
    """Runs until the test says so."""
    mark("began", event.key)
    gate = FOLDER / f"gate.{event.payload.get('gate', event.key)}"
    while not gate.exists():
        time.sleep(0.01)
    mark("ran", event.key)


@app.workflow(on="fails")
def fails(ctx: Context, event: Event) -> None:
    raise PermanentError("as asked")


@app.action
def double(n: int) -> int:
    return n * 2


@app.workflow(on="doubles")
def doubles(ctx: Context, event: Event) -> int:
    ctx.set_state("doubling")
    result = double(event.payload["n"])
    ctx.emit("quick", {}, key=f"emitted-{result}")
    return result


@dataclass
class Order:
    order_id: str
    cents: int


@app.workflow(on="order")
def order(ctx: Context, order: Order) -> str:
    mark("ran", order.order_id)
    return f"{order.order_id}:{order.cents}"
