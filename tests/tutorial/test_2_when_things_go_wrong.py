"""Errors: nothing is dropped silently, and publishing twice is no accident."""

from __future__ import annotations

import json

from tests.service import until_quiet
from tests.tutorial.conftest import Desk
from workflow_worker.client import DeadLetter

PACK = """
from pathlib import Path
from workflow_worker import App, Context, Event

app = App("orders")


@app.workflow(on="order.placed")
def pack(ctx: Context, event: Event) -> None:
    with Path("packed.txt").open("a") as file:
        file.write(event.key + "\\n")
    Path(f"{event.key}.txt").write_text("packed")
"""


def only_letter(desk: Desk) -> DeadLetter:
    until_quiet(desk.db)
    with desk.service.client() as client:
        [letter] = client.dead_letters()
    return letter


def test_an_event_that_fails_becomes_a_dead_letter(desk: Desk) -> None:
    desk.start("""
from workflow_worker import App, Context, Event, PermanentError

app = App("orders")


@app.workflow(on="order.placed")
def fulfil(ctx: Context, event: Event) -> None:
    raise PermanentError(f"nothing is left of {event.payload['item']}")
""")
    desk.wfworker("publish", "order.placed", '{"item": "tea"}')
    letter = only_letter(desk)
    assert letter.message == "nothing is left of tea"
    assert letter.category == "permanent"
    assert 'app.py", line 9, in fulfil' in letter.traceback
    # The event is there whole, to be published again once the cause is gone.
    assert letter.event_name == "order.placed"
    assert json.loads(letter.fields["payload"]) == {"item": "tea"}


def test_an_action_that_fails_names_itself(desk: Desk) -> None:
    desk.start("""
from pathlib import Path
from workflow_worker import ActionFailed, App, Context, PermanentError

app = App("orders")


@app.action
def charge() -> None:
    raise PermanentError("the card has expired")


@app.workflow(on="order.placed")
def fulfil(ctx: Context) -> None:
    try:
        charge()
    except ActionFailed as failed:
        Path("failed.txt").write_text(f"{failed.error_type}: {failed.message}")
""")
    desk.wfworker("publish", "order.placed")
    assert desk.reads("failed.txt").endswith("PermanentError: the card has expired")


def test_a_payload_of_another_shape_names_the_field(desk: Desk) -> None:
    desk.start("""
from dataclasses import dataclass
from workflow_worker import App, Context

app = App("orders")


@dataclass
class Order:
    order_id: str
    cents: int


@app.workflow(on="order.placed")
def fulfil(ctx: Context, order: Order) -> None:
    pass
""")
    desk.wfworker("publish", "order.placed", '{"order_id": "o-1", "cents": "many"}')
    said = "payload for workflow fulfil, field cents: expected int, got str"
    assert only_letter(desk).message == said


def test_a_failing_event_stops_no_other(desk: Desk) -> None:
    desk.start(PACK)
    desk.db.xadd("{wf:0}:events", {"this is": "no event at all"})
    desk.wfworker("publish", "order.placed", "{}", "--key", "o-1")
    assert desk.reads("o-1.txt") == "packed"
    assert only_letter(desk).category == "permanent"


def test_an_id_makes_publishing_idempotent(desk: Desk) -> None:
    desk.start(PACK)
    for _ in range(3):  # a producer that is not sure whether it got through
        desk.wfworker("publish", "order.placed", "{}", "--key", "o-1", "--id", "e-1")
    assert until_quiet(desk.db)["duplicate"] == 2
    assert desk.reads("packed.txt") == "o-1\n"


def test_what_is_published_while_no_service_runs_is_kept(desk: Desk) -> None:
    desk.wfworker("publish", "order.placed", "{}", "--key", "o-1")
    desk.start(PACK)
    assert desk.reads("o-1.txt") == "packed"


def test_a_service_stopped_in_the_middle_goes_on_where_it_was(desk: Desk) -> None:
    slowly = PACK.replace('"packed")', '"packed")\n    time.sleep(0.05)')
    desk.start("import time\n" + slowly)
    desk.wfworker("publish", "order.placed", "{}", "--count", "100")
    assert desk.service.stop() == 0
    desk.start(PACK)
    until_quiet(desk.db)
    assert len(desk.reads("packed.txt").splitlines()) == 100
