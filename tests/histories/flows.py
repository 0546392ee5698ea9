"""Workflows whose journals are kept for ever: every kind of step is in one of them.

Must never be changed in a way that would ask for other steps: what is recorded here was
recorded by released versions. Add a workflow instead, and record it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from workflow_worker import (
    ActionFailed,
    App,
    Context,
    Event,
    ExecutionFailed,
    PermanentError,
)

app = App("histories")
ran: list[str] = []
"""Which actions really ran: a replay runs none."""


@dataclass
class Receipt:
    number: int
    at: dt.datetime
    cents: Decimal


@app.action
def charge(order_id: str) -> Receipt:
    ran.append("charge")
    return Receipt(7, dt.datetime(2026, 1, 2, tzinfo=dt.UTC), Decimal("19.99"))


@app.action
def pack(item: str) -> str:
    ran.append("pack")
    return item.upper()


@app.action
def refuse(why: str) -> None:
    ran.append("refuse")
    raise PermanentError(why)


@app.action
def refund(number: int) -> str:
    ran.append("refund")
    return f"refunded {number}"


@app.workflow(on="order", signals=["approved", "rejected"], version="1")
def order(ctx: Context, event: Event) -> dict[str, object]:
    receipt = charge(event.key)
    ctx.compensate(refund, receipt.number)
    ctx.set_state("charged")
    ctx.data["cents"] = str(receipt.cents)
    packed = [pack.submit(item) for item in event.payload["items"]]
    ctx.emit("charged", {"number": receipt.number}, key=event.key)
    first = ctx.wait_for("approved", "rejected", timeout=timedelta(days=1))
    second = ctx.wait_for("approved", timeout=60)
    ctx.sleep(3600)
    try:
        refuse("on purpose")
    except ActionFailed as error:
        caught = error.message
    stamps = [ctx.now().year > 2000, 0 <= ctx.random() < 1, ctx.uuid().version]
    new = ctx.patched("new")
    child = ctx.start(parcel, {"items": ["x"]}, key="p")
    return {
        "receipt": receipt.at.isoformat(),
        "packed": [future.result() for future in packed],
        "first": first and first.payload,
        "second": second,
        "caught": caught,
        "stamps": stamps,
        "new": new,
        "child": child.result(),
    }


@app.workflow(on="parcel.asked")
def parcel(ctx: Context, event: Event) -> list[str]:
    return [pack(item) for item in event.payload["items"]]


@app.workflow(on="doomed")
def doomed(ctx: Context) -> None:
    receipt = charge("d")
    ctx.compensate(refund, receipt.number)
    ctx.compensate(refuse, "to be undone")
    try:
        ctx.start(breaks, key="b").result()
    except ExecutionFailed as failed:
        refuse(f"child {failed.status}")


@app.workflow(on="breaks.asked")
def breaks(ctx: Context) -> None:
    refuse("as asked")


@app.workflow(on="regretted", signals="never")
def regretted(ctx: Context) -> None:
    ctx.compensate(refund, charge("r").number)
    ctx.wait_for("never")
