"""What a worker counts: each outcome once, on the board and for Prometheus."""

from __future__ import annotations

import pytest

from tests.unit.pages import Slots
from workflow_worker.board import Board
from workflow_worker.broker.claim import Taken
from workflow_worker.broker.commit import Landed
from workflow_worker.metrics import table
from workflow_worker.model import Decision, Event, Failure, Outcome, Task
from workflow_worker.worker.meter import Meter
from workflow_worker.worker.tally import Tally


class Desk:
    """A tally and its meter, as a worker has them."""

    def __init__(self, slots: Slots) -> None:
        slots.tenant(0)
        self._slots = slots
        self.board = Board.create(1, 1)
        self.meter = Meter(["pay"], ["charge"])
        self.tally = Tally(self.board.slots[0], self.meter)

    def commit(
        self,
        outcome: Outcome,
        landed: Landed = Landed.COMMITTED,
        workflow: str = "pay",
        counts: bool = True,
        failure: Failure | None = None,
    ) -> None:
        event = Event("paid", {}, "k", "e")
        task = Task("1-0", 1, 1, "0-e", workflow, event, counts=counts)
        item = task, Decision(outcome, failure=failure)
        self.tally.committed([(item, landed)])

    def counted(self, row: table.Row) -> dict[tuple[str, ...], float]:
        """What is not 0, by the values of the labels."""
        return {
            tuple(dict(labels)[name] for name in row.labels): value
            for (name, labels), value in self._slots.samples().items()
            if name == row.full_name and value
        }


@pytest.fixture
def desk(slots: Slots) -> Desk:
    return Desk(slots)


def test_an_event_succeeds_or_fails_once_on_board_and_page(desk: Desk) -> None:
    error = Failure("permanent", "E", "m")
    desk.commit(Outcome.COMPLETED)
    desk.commit(Outcome.COMPLETED, counts=False)
    desk.commit(Outcome.SUSPENDED)
    desk.commit(Outcome.SUSPENDED, counts=False)
    desk.commit(Outcome.RETRYING, failure=error)
    desk.commit(Outcome.RETRYING, counts=False)
    desk.commit(Outcome.FAILED, failure=error)
    desk.commit(Outcome.FAILED, counts=False, failure=error)
    desk.commit(Outcome.FAILED, Landed.CANCELLED, failure=error)
    desk.commit(Outcome.COMPLETED, Landed.REFUSED)
    desk.commit(Outcome.COMPLETED, Landed.REFUSED, counts=False)
    desk.commit(Outcome.CONTINUED)
    desk.tally.taken(Taken([], succeeded=2, failed=3, ignored=4, duplicate=5))
    assert desk.counted(table.EVENTS) == {
        ("pay", "succeeded"): 4,
        ("pay", "failed"): 2,
        ("pay", "suspended"): 2,
        ("pay", "retried"): 2,
        ("", "succeeded"): 2,
        ("", "failed"): 3,
        ("", "ignored"): 4,
    }
    assert desk.counted(table.DEAD_LETTERS) == {("pay",): 4, ("",): 3}
    totals = desk.board.totals()
    assert (totals.succeeded, totals.failed) == (6, 5)
    assert (totals.processed, totals.ignored) == (11, 4)
    assert (totals.retried, totals.suspended) == (2, 2)
    assert totals.dead_letters == 7


def test_an_error_counts_once_where_it_was_met(desk: Desk) -> None:
    own = Failure("transient", "E", "m")
    desk.commit(Outcome.RETRYING, failure=own)
    desk.meter.tried("charge", 0.1, "permanent", last=True)
    desk.commit(Outcome.FAILED, failure=Failure("permanent", "E", "m", action="charge"))
    assert desk.counted(table.ERRORS) == {("transient",): 1, ("permanent",): 1}


def test_a_try_of_an_action_succeeded_failed_or_is_retried(desk: Desk) -> None:
    desk.meter.tried("charge", 0.1, "recoverable", last=False)
    desk.meter.tried("charge", 0.2, "recoverable", last=True)
    desk.meter.tried("charge", 0.3, "", last=True)
    desk.meter.tried("charge", None, "permanent", last=True)
    desk.meter.flush()
    assert desk.counted(table.ACTIONS) == {
        ("charge", "retried"): 1,
        ("charge", "failed"): 2,
        ("charge", "succeeded"): 1,
    }
    count = "workflow_worker_action_duration_seconds_count", (("action", "charge"),)
    assert desk._slots.samples()[count] == 3


def test_names_from_elsewhere_become_no_labels(desk: Desk) -> None:
    for number in range(50):
        name = f"made up {number}"
        failure = Failure("permanent", "E", "m")
        desk.commit(Outcome.FAILED, workflow=name, failure=failure)
        desk.meter.ran(name, 0.1, 0.1)
        desk.meter.tried(name, 0.1, "", last=True)
    desk.meter.flush()
    names = {
        value
        for _, labels in desk._slots.samples()
        for label, value in labels
        if label in ("workflow", "action")
    }
    assert names == {"", "pay", "charge"}
    assert desk.counted(table.EVENTS) == {("", "failed"): 50}


def test_counters_stand_there_with_0_before_the_first_event(desk: Desk) -> None:
    found = desk._slots.samples()
    outcomes = {
        dict(labels)["outcome"]
        for name, labels in found
        if name == table.EVENTS.full_name and dict(labels)["workflow"] == "pay"
    }
    assert outcomes == {"succeeded", "failed", "retried", "suspended"}
    assert set(found.values()) == {0.0}


def test_lost_leases_are_counted(desk: Desk) -> None:
    desk.tally.lost(3)
    assert desk.counted(table.LEASES_LOST) == {(): 3}
    assert desk.board.totals().leases_lost == 3
