"""An execution waits for events and times, and can be looked at meanwhile."""

from __future__ import annotations

import json

from tests.servers import wait_until
from tests.tutorial.conftest import Desk

APPROVAL = """
from datetime import timedelta
from workflow_worker import App, Context, Event

app = App("orders")


@app.action
def charge(order_id: str) -> str:
    return f"receipt-{order_id}"


@app.action
def refund(receipt: str) -> None:
    with open("refunds.txt", "a") as file:
        file.write(receipt)


@app.workflow(on="order.placed", signals=["order.approved"])
def fulfil(ctx: Context, event: Event) -> str:
    receipt = charge(event.key)
    ctx.compensate(refund, receipt)
    ctx.set_state("awaiting approval")
    decision = ctx.wait_for("order.approved", timeout=timedelta(hours=24))
    return f"{receipt} approved by {decision.payload['by']}"
"""


def waits(desk: Desk) -> bool:
    return "awaiting approval" in desk.wfworker("executions", "list")


def test_an_execution_waits_for_an_event_with_its_key(desk: Desk) -> None:
    desk.start(APPROVAL)
    desk.wfworker("publish", "order.placed", "{}", "--key", "o-1", "--id", "o-1")
    wait_until(lambda: waits(desk))
    desk.wfworker("publish", "order.approved", '{"by": "ann"}', "--key", "o-1")
    found = desk.record("0-o-1.fulfil")
    assert json.loads(found["result"]) == "receipt-o-1 approved by ann"


def test_it_waits_through_a_restart_of_the_service(desk: Desk) -> None:
    desk.start(APPROVAL)
    desk.wfworker("publish", "order.placed", "{}", "--key", "o-1", "--id", "o-1")
    wait_until(lambda: waits(desk))
    desk.service.stop()
    desk.wfworker("publish", "order.approved", '{"by": "bob"}', "--key", "o-1")
    desk.service.start()
    found = desk.record("0-o-1.fulfil")
    assert json.loads(found["result"]) == "receipt-o-1 approved by bob"


def test_it_shows_what_it_waits_for_and_what_it_did(desk: Desk) -> None:
    desk.start(APPROVAL)
    desk.wfworker("publish", "order.placed", "{}", "--key", "o-1", "--id", "o-1")
    wait_until(lambda: waits(desk))
    shown = json.loads(desk.wfworker("executions", "show", "0-o-1.fulfil", "--json"))
    assert shown["status"] == "waiting"
    assert shown["waitingFor"] == ["order.approved"]
    assert shown["history"][0]["name"] == "charge"
    assert shown["history"][0]["result"] == "receipt-o-1"


def test_a_cancelled_execution_undoes_what_it_did(desk: Desk) -> None:
    desk.start(APPROVAL)
    desk.wfworker("publish", "order.placed", "{}", "--key", "o-1", "--id", "o-1")
    wait_until(lambda: waits(desk))
    desk.wfworker("executions", "cancel", "0-o-1.fulfil")
    assert desk.reads("refunds.txt") == "receipt-o-1"


def test_a_failed_execution_goes_on_where_it_was_once_the_cause_is_gone(
    desk: Desk,
) -> None:
    desk.start("""
from pathlib import Path
from workflow_worker import App, Context

app = App("orders")


@app.action
def charge() -> int:
    with open("charged.txt", "a") as file:
        file.write("once ")
    return 7


@app.action
def ship(number: int) -> str:
    return Path("stock.txt").read_text() + str(number)


@app.workflow(on="order.placed")
def fulfil(ctx: Context) -> str:
    return ship(charge())
""")
    desk.wfworker("publish", "order.placed", "{}", "--id", "o-1")
    assert desk.record("0-o-1.fulfil")["status"] == "failed"
    (desk.folder / "stock.txt").write_text("parcel ")
    desk.wfworker("executions", "retry", "0-o-1.fulfil")
    assert json.loads(desk.record("0-o-1.fulfil")["result"]) == "parcel 7"
    assert desk.reads("charged.txt") == "once "


def test_a_publisher_can_wait_for_the_result(desk: Desk) -> None:
    desk.start("""
from workflow_worker import App, Context, Event

app = App("sums")


@app.workflow(on="sum")
def add(ctx: Context, event: Event) -> int:
    ctx.sleep(0.2)
    return sum(event.payload["numbers"])
""")
    printed = desk.wfworker("publish", "sum", '{"numbers": [1, 2, 3]}', "--wait")
    assert json.loads(printed) == 6
