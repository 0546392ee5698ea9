"""Trying again: by the class of the error, and by hand once the cause is gone."""

from __future__ import annotations

from tests.servers import wait_until
from tests.service import until_quiet
from tests.tutorial.conftest import Desk

BANK = """
from pathlib import Path
from workflow_worker import App, Context, Event, PermanentError, RetryPolicy

app = App("orders")
FOLDER = Path(__file__).parent


@app.action(retry=RetryPolicy(max_retries=1000, base=0.01, maximum=0.05))
def charge(key: str) -> str:
    with (FOLDER / "asked.txt").open("a") as file:
        file.write(key + "\\n")
    if not (FOLDER / "open.txt").exists():
        raise ConnectionRefusedError("the bank is closed")
    return f"receipt-{key}"


@app.action
def pack(key: str) -> None:
    %s


@app.workflow(on="order.placed", result_ttl=60)
def fulfil(ctx: Context, event: Event) -> str:
    receipt = charge(event.key)
    pack(event.key)
    return receipt
"""
NOTHING = 'raise PermanentError("no cardboard")'


def asked(desk: Desk) -> int:
    path = desk.folder / "asked.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_an_action_whose_bank_is_closed_is_tried_again(desk: Desk) -> None:
    desk.start(BANK % "return None")
    desk.wfworker("publish", "order.placed", "--key", "o-1", "--id", "o-1")
    wait_until(lambda: asked(desk) >= 2)
    (desk.folder / "open.txt").touch()
    assert desk.record("0-o-1.fulfil")["result"] == '"receipt-o-1"'


def test_what_needed_a_person_goes_on_where_it_stopped(desk: Desk) -> None:
    (desk.folder / "open.txt").touch()
    desk.start(BANK % NOTHING)
    desk.wfworker("publish", "order.placed", "--key", "o-1", "--id", "o-1")
    until_quiet(desk.db)
    assert "no cardboard" in desk.wfworker("dlq", "list")
    # Somebody buys cardboard, and says so.
    desk.service.stop()
    desk.start(BANK % "return None")
    desk.wfworker("dlq", "retry", "--all")
    assert desk.record("0-o-1.fulfil")["result"] == '"receipt-o-1"'
    assert asked(desk) == 1, "the bank was not asked again"
