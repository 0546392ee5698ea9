"""First steps: an event comes in, a function runs, its actions are remembered."""

from __future__ import annotations

import json

from tests.service import until_quiet
from tests.tutorial.conftest import Desk


def test_an_event_runs_a_function(desk: Desk) -> None:
    desk.start("""
from pathlib import Path
from workflow_worker import App, Context, Event

app = App("hello")


@app.workflow(on="user.signed_up")
def greet(ctx: Context, event: Event) -> None:
    Path("greeting.txt").write_text(f"Hello {event.payload['name']}")
""")
    desk.wfworker("publish", "user.signed_up", '{"name": "Ada"}')
    assert desk.reads("greeting.txt") == "Hello Ada"


def test_a_service_says_how_it_is(desk: Desk) -> None:
    desk.start("""
from workflow_worker import App, Context

app = App("idle")


@app.workflow(on="never")
def wait(ctx: Context) -> None:
    pass
""")
    assert desk.wfworker("health").startswith("healthy: 2 workers")


def test_the_context_says_what_runs_and_why(desk: Desk) -> None:
    desk.start("""
from pathlib import Path
from workflow_worker import App, Context, Event

app = App("orders")


@app.workflow(on="order.placed")
def fulfil(ctx: Context, event: Event) -> None:
    told = [event.name, event.id, ctx.key, ctx.execution_id, str(ctx.attempt)]
    Path("told.txt").write_text(" ".join(told))
""")
    # The key is the order's: several events may have it. The id is the event's alone.
    desk.wfworker("publish", "order.placed", "{}", "--key", "o-1", "--id", "e-1")
    assert desk.reads("told.txt") == "order.placed e-1 o-1 0-e-1.fulfil 1"


def test_a_result_and_a_state_are_kept(desk: Desk) -> None:
    desk.start("""
from workflow_worker import App, Context, Event

app = App("orders")


@app.workflow(on="order.placed", result_ttl=3600)
def fulfil(ctx: Context, event: Event) -> dict:
    ctx.set_state("packed")
    return {"parcels": 2}
""")
    desk.wfworker("publish", "order.placed", "{}", "--id", "e-1")
    record = desk.record("0-e-1.fulfil")
    assert record["status"] == "completed"
    assert record["state"] == "packed"
    assert json.loads(record["result"]) == {"parcels": 2}


def test_what_an_action_did_is_in_the_journal(desk: Desk) -> None:
    desk.start("""
from workflow_worker import App, Context, Event

app = App("orders")


@app.action
def charge(order_id: str, cents: int) -> str:
    return f"receipt-{order_id}-{cents}"  # a real one would call the bank


@app.workflow(on="order.placed")
def fulfil(ctx: Context, event: Event) -> str:
    return charge(event.payload["order_id"], event.payload["cents"])
""")
    desk.wfworker(
        "publish", "order.placed", '{"order_id": "o-1", "cents": 5}', "--id", "e-1"
    )
    assert json.loads(desk.record("0-e-1.fulfil")["result"]) == "receipt-o-1-5"
    [entry] = desk.db.lrange("{wf:0}:j:0-e-1.fulfil", 0, -1)
    # After a crash the workflow runs again, and gets this instead of a second charge.
    assert b"charge" in entry
    assert b"receipt-o-1-5" in entry


def test_a_payload_has_the_type_that_is_annotated(desk: Desk) -> None:
    desk.start("""
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from workflow_worker import App, Context

app = App("orders")


@dataclass
class Order:
    order_id: str
    due: date
    gift: bool = False


@app.workflow(on="order.placed")
def fulfil(ctx: Context, order: Order) -> None:
    Path("order.txt").write_text(repr(order))
""")
    order = '{"order_id": "o-1", "due": "2030-12-24"}'
    desk.wfworker("publish", "order.placed", order)
    wanted = "Order(order_id='o-1', due=datetime.date(2030, 12, 24), gift=False)"
    assert desk.reads("order.txt") == wanted


def test_an_event_nobody_wants_is_counted_and_gone(desk: Desk) -> None:
    desk.start("""
from workflow_worker import App, Context

app = App("orders")


@app.workflow(on="order.placed")
def fulfil(ctx: Context) -> None:
    pass
""")
    desk.wfworker("publish", "order.plcaed")
    assert until_quiet(desk.db)["ignored"] == 1
