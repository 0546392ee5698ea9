"""Several workflows: they share events, and start each other."""

from __future__ import annotations

from tests.service import until_quiet
from tests.tutorial.conftest import Desk


def test_a_workflow_emits_an_event_that_starts_another(desk: Desk) -> None:
    desk.start("""
from pathlib import Path
from workflow_worker import App, Context, Event

app = App("orders")


@app.workflow(on="order.placed")
def fulfil(ctx: Context, event: Event) -> None:
    ctx.emit("order.fulfilled", {"parcel": "p-1"}, key=ctx.key)


@app.workflow(on="order.fulfilled")
def notify(ctx: Context, event: Event) -> None:
    Path("mail.txt").write_text(f"{event.key}: {event.payload['parcel']}")
""")
    desk.wfworker("publish", "order.placed", "{}", "--key", "o-1")
    assert desk.reads("mail.txt") == "o-1: p-1"


def test_a_workflow_that_fails_emits_nothing(desk: Desk) -> None:
    desk.start("""
from workflow_worker import App, Context

app = App("orders")


@app.workflow(on="order.placed")
def fulfil(ctx: Context) -> None:
    ctx.emit("order.fulfilled", {})
    raise ValueError("after all, no")


@app.workflow(on="order.fulfilled")
def notify(ctx: Context) -> None:
    pass
""")
    desk.wfworker("publish", "order.placed")
    books = until_quiet(desk.db)
    assert books["failed"] == 1
    assert books["started"] == 1


def test_two_workflows_on_one_event_both_run(desk: Desk) -> None:
    desk.start("""
from pathlib import Path
from workflow_worker import App, Context

app = App("orders")


@app.workflow(on="order.placed")
def fulfil(ctx: Context) -> None:
    Path("fulfilled.txt").write_text(ctx.execution_id)


@app.workflow(on="order.placed")
def audit(ctx: Context) -> None:
    Path("audited.txt").write_text(ctx.execution_id)
""")
    desk.wfworker("publish", "order.placed", "{}", "--id", "e-1")
    assert desk.reads("fulfilled.txt") == "0-e-1.fulfil"
    assert desk.reads("audited.txt") == "0-e-1.audit"


def test_a_pattern_stands_for_many_names(desk: Desk) -> None:
    desk.start("""
from pathlib import Path
from workflow_worker import App, Context, Event

app = App("audit")


@app.workflow(on=["order.*", "refund.paid"])
def audit(ctx: Context, event: Event) -> None:
    Path(event.key).write_text(event.name)
""")
    for name in ("order.placed", "order.line.added", "refund.paid", "refund.asked"):
        desk.wfworker("publish", name, "{}", "--key", f"{name}.txt")
    assert until_quiet(desk.db)["ignored"] == 1
    audited = {path.stem for path in desk.folder.glob("*.txt")}
    assert audited == {"order.placed", "order.line.added", "refund.paid"}


def test_many_events_go_in_one_call(desk: Desk) -> None:
    desk.start("""
from pathlib import Path
from workflow_worker import App, Context, Event

app = App("orders")


@app.workflow(on="order.placed")
def fulfil(ctx: Context, event: Event) -> None:
    Path(event.key).write_text(str(event.payload["cents"]))
""")
    with desk.service.client() as client:
        client.publish_many(
            {"name": "order.placed", "key": f"{n}.txt", "payload": {"cents": n}}
            for n in range(300)
        )
    assert until_quiet(desk.db)["succeeded"] == 300
    assert {path.read_text() for path in desk.folder.glob("*.txt")} == {
        str(n) for n in range(300)
    }


def test_an_app_may_be_spread_over_files(desk: Desk) -> None:
    (desk.folder / "billing.py").write_text("""
from pathlib import Path
from workflow_worker import App, Context

billing = App("billing")


@billing.workflow(on="order.placed")
def bill(ctx: Context) -> None:
    Path("bill.txt").write_text("billed")
""")
    desk.start("""
from billing import billing
from workflow_worker import App

app = App("shop")
app.include(billing)
""")
    desk.wfworker("publish", "order.placed")
    assert desk.reads("bill.txt") == "billed"
