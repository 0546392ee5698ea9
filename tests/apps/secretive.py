"""Workflows that have to do with something nobody else may read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.apps.plain import FOLDER
from workflow_worker import (
    App,
    Context,
    Event,
    PermanentError,
    RecoverableError,
    current_action,
)

app = App("secretive")
for pid in (os.getpid(), os.getppid()):
    # What others see of the start while this is imported.
    with (FOLDER / "commands").open("ab") as file:
        file.write(Path(f"/proc/{pid}/cmdline").read_bytes() + b"\n")


@app.action
def spend(card: str) -> str:
    return card


@app.action
def shaky(card: str) -> str:
    if current_action().attempt == 1:
        raise RecoverableError(card)
    return card


@app.workflow(on="paid", signals="said", result_ttl=60)
def pay(ctx: Context, event: Event) -> str:
    """Take a secret through everything that is stored."""
    card: str = event.payload["card"]
    ctx.data["card"] = card
    spend(card)
    shaky(card)
    spend.submit(card).result()
    ctx.emit("nobody.wants", {"card": card})
    said = ctx.wait_for("said")
    return f"{said}" if said else card


@app.workflow(on="refused")
def refuse(ctx: Context, event: Event) -> None:
    raise PermanentError(event.payload["card"])


@app.workflow(on="broken", max_retries=1)
def stumble(ctx: Context, event: Event) -> None:
    raise ValueError(event.payload["card"])


class Wallet:
    def __init__(self, card: str) -> None:
        self.card = card

    def __repr__(self) -> str:
        return self.card


@app.workflow(on="odd")
def odd(ctx: Context, event: Event) -> object:
    return Wallet(event.payload["card"])


@dataclass
class Order:
    cents: int


@app.workflow(on="typed")
def typed(ctx: Context, order: Order) -> int:
    return order.cents
