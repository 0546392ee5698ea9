"""Orders: charge the card, pack the parcel, tell the customer.

A file to copy and to play with. In its folder::

    wfworker dev --app orders:app

starts a server, two workers or more, and reloads when this file is saved. Then, in
another terminal, with the ``REDIS_URL`` that the first lines of the log name::

    export REDIS_URL=unix:///tmp/wfworker-.../s
    wfworker publish order.placed \
        '{"order_id": "o-1", "cents": 4200, "card": "visa", "items": ["tea"]}' --key o-1

What to look at:

- ``fulfil`` is plain Python. Its second parameter is annotated with a dataclass: a
  payload that does not match is a permanent error that names the field.
- ``charge`` and ``pack`` are actions: side effects whose results are journaled. When
  the worker dies between them, ``charge`` is not called again.
- ``ctx.set_state`` says for people where an execution is.
- ``ctx.emit`` publishes with the commit: if ``fulfil`` fails, nobody is told.
- Pay with the card "expired" and see the order among the dead letters.

``wfworker demo`` runs this very code.
"""

from __future__ import annotations

from dataclasses import dataclass

from workflow_worker import App, Context, Event, PermanentError

app = App("orders")


@dataclass
class Order:
    """What an ``order.placed`` event carries."""

    order_id: str
    cents: int
    card: str
    items: list[str]


@app.action
def charge(order_id: str, cents: int, card: str) -> str:
    """Take the money; returns the receipt."""
    if card == "expired":
        # Trying again would not help: a person has to ask for another card.
        raise PermanentError(f"the card of order {order_id} has expired")
    return f"receipt-{order_id}-{cents}"


@app.action
def pack(order_id: str, items: list[str]) -> str:
    """Pack the parcel; returns its label."""
    return f"parcel-{order_id}-{len(items)}"


@app.workflow(on="order.placed")
def fulfil(ctx: Context, order: Order) -> str:
    """Turn an order into a parcel; returns its label."""
    ctx.set_state("charging")
    receipt = charge(order.order_id, order.cents, order.card)
    ctx.set_state("packing")
    label = pack(order.order_id, order.items)
    ctx.emit("order.fulfilled", {"receipt": receipt, "label": label}, key=ctx.key)
    return label


@app.workflow(on="order.fulfilled")
def notify(ctx: Context, event: Event) -> None:
    """Tell the customer."""
    ctx.logger.info("parcel %s is on its way", event.payload["label"])
