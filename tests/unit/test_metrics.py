"""What is counted survives its worker, adds up over workers, and stays bounded."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import prometheus_client
import pytest

from workflow_worker.board import Board
from workflow_worker.broker.claim import Taken
from workflow_worker.broker.commit import Landed
from workflow_worker.metrics import table, values
from workflow_worker.metrics.book import Book
from workflow_worker.metrics.counting import Durations, counter
from workflow_worker.metrics.page import Page
from workflow_worker.model import Decision, Event, Failure, Outcome, Task
from workflow_worker.worker.meter import Meter
from workflow_worker.worker.tally import Tally

ROOM = 2**16
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Slots:
    """Pages of some slots, each with one tenant after the other."""

    def __init__(self) -> None:
        self.memories = [memoryview(bytearray(ROOM)) for _ in range(3)]
        self.book = Book(self.memories)

    def tenant(self, number: int) -> None:
        """Be another worker from now on: one that remembers nothing."""
        values.CELLS.__init__()  # type: ignore[misc] # as in a fresh process
        values.keep_on(Page(self.memories[number]))

    def samples(self, *living: int) -> Samples:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for metric in self.book.metrics(living)
            for sample in metric.samples
        }


@pytest.fixture
def slots() -> Iterator[Slots]:
    """Three slots; this process counts for none of them afterwards."""
    yield Slots()
    values.CELLS.__init__()  # type: ignore[misc]


def user_counter(name: str = "charges") -> prometheus_client.Counter:
    return prometheus_client.Counter(name, "Charges.", ["bank"], registry=None)


def gauge(mode: str) -> prometheus_client.Gauge:
    return prometheus_client.Gauge(
        "depth",
        "Depth.",
        registry=None,
        multiprocess_mode=mode,  # type: ignore[arg-type] # one of those it accepts
    )


def test_a_successor_goes_on_where_the_dead_one_stopped(slots: Slots) -> None:
    slots.tenant(0)
    user_counter().labels("a").inc(2)
    slots.tenant(0)
    again = user_counter().labels("a")
    again.inc(3)
    assert slots.samples() == {("charges_total", (("bank", "a"),)): 5.0}
    assert again._value.get() == 5.0


def test_counters_of_all_slots_are_added_up(slots: Slots) -> None:
    for number in range(3):
        slots.tenant(number)
        user_counter().labels("a").inc()
        user_counter().labels(f"only {number}").inc()
    assert slots.samples()["charges_total", (("bank", "a"),)] == 3.0
    assert slots.samples()["charges_total", (("bank", "only 2"),)] == 1.0


def test_what_is_counted_first_after_a_scrape_is_in_the_next(slots: Slots) -> None:
    slots.tenant(0)
    first = user_counter().labels("a")
    assert slots.samples() == {("charges_total", (("bank", "a"),)): 0.0}
    user_counter("refunds").labels("b").inc()
    first.inc()
    assert slots.samples() == {
        ("charges_total", (("bank", "a"),)): 1.0,
        ("refunds_total", (("bank", "b"),)): 1.0,
    }


def test_a_metric_that_is_declared_before_the_page_counts_on_it(slots: Slots) -> None:
    values.install()
    early = user_counter().labels("a")
    early.inc(7)  # of whoever imported it, which was no worker
    values.keep_on(Page(slots.memories[0]))
    early.inc()
    assert slots.samples() == {("charges_total", (("bank", "a"),)): 1.0}


def test_whoever_is_killed_while_a_name_is_written_leaves_none(slots: Slots) -> None:
    slots.tenant(0)
    user_counter().labels("a").inc()
    page = Page(slots.memories[0])
    whole = page.count
    user_counter().labels("b").inc()
    # As if the process had died before the last thing it did.
    slots.memories[0].cast("q")[0] = whole
    assert slots.samples() == {("charges_total", (("bank", "a"),)): 1.0}
    slots.tenant(0)
    user_counter().labels("c").inc()
    assert slots.samples() == {
        ("charges_total", (("bank", "a"),)): 1.0,
        ("charges_total", (("bank", "c"),)): 1.0,
    }


@pytest.mark.parametrize(
    ("mode", "all_of_them", "living"),
    [
        ("min", 1.0, 1.0),
        ("max", 3.0, 3.0),
        ("sum", 6.0, 6.0),
        ("livemin", 1.0, 2.0),
        ("livemax", 3.0, 3.0),
        ("livesum", 6.0, 5.0),
    ],
)
def test_gauges_become_one_as_their_mode_says(
    slots: Slots, mode: str, all_of_them: float, living: float
) -> None:
    for number in range(3):
        slots.tenant(number)
        gauge(mode).set(number + 1)
    assert slots.samples(0, 1, 2) == {("depth", ()): all_of_them}
    assert slots.samples(1, 2) == {("depth", ()): living}


def test_the_gauge_set_last_is_shown(slots: Slots) -> None:
    for number, at in enumerate((10.0, 30.0, 20.0)):
        slots.tenant(number)
        gauge("mostrecent")._value.set(number, timestamp=at)
    assert slots.samples() == {("depth", ()): 1.0}


def test_a_gauge_without_a_mode_is_shown_for_each_slot(slots: Slots) -> None:
    for number in (0, 2):
        slots.tenant(number)
        gauge("all").set(number + 1)
    assert slots.samples() == {
        ("depth", (("pid", "0"),)): 1.0,
        ("depth", (("pid", "2"),)): 3.0,
    }


def test_a_live_gauge_begins_anew_with_each_worker(slots: Slots) -> None:
    for mode, left in (("livesum", 0.0), ("sum", 4.0)):
        slots.memories[:] = [memoryview(bytearray(ROOM))]
        slots.book = Book(slots.memories)
        slots.tenant(0)
        gauge(mode).set(4)
        slots.tenant(0)
        gauge(mode)
        assert slots.samples(0) == {("depth", ()): left}


def test_a_histogram_is_served_as_prometheus_reads_it(slots: Slots) -> None:
    for number in range(2):
        slots.tenant(number)
        Durations(table.EVENT_WAIT, "w").observe([0.001, 0.2, 1000.0])
        own = prometheus_client.Histogram(
            "plain_seconds", "Plain.", registry=None, buckets=[1, 5]
        )
        own.observe(3)
    found = slots.samples()
    name, of = "workflow_worker_event_wait_seconds", ("workflow", "w")
    buckets = {
        bound: found[f"{name}_bucket", (("le", bound), of)]
        for bound in ("0.001", "0.1", "0.25", "300.0", "+Inf")
    }
    assert buckets == {"0.001": 2, "0.1": 2, "0.25": 4, "300.0": 4, "+Inf": 6}
    assert found[f"{name}_count", (of,)] == 6
    assert found[f"{name}_sum", (of,)] == pytest.approx(2000.402)
    assert found["plain_seconds_bucket", (("le", "1.0"),)] == 0
    assert found["plain_seconds_bucket", (("le", "5.0"),)] == 2
    assert found["plain_seconds_count", ()] == 2
    assert found["plain_seconds_sum", ()] == 6


def test_a_summary_of_the_users_own_is_served(slots: Slots) -> None:
    slots.tenant(0)
    prometheus_client.Summary("size", "Size.", registry=None).observe(3)
    assert slots.samples() == {("size_count", ()): 1.0, ("size_sum", ()): 3.0}


@pytest.mark.parametrize("length", [1, 50, 10_000])
def test_labels_without_end_fill_the_page_and_harm_nothing(
    slots: Slots, caplog: pytest.LogCaptureFixture, length: int
) -> None:
    slots.tenant(0)
    known = user_counter().labels("known")
    many = user_counter()
    for number in range(5000):
        many.labels(f"{number}" * length).inc()
    known.inc()
    found = slots.samples()
    assert 1 < len(found) < 2000
    assert found["charges_total", (("bank", "known"),)] == 1.0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "charges" in caplog.text
    # Its successor knows what stands there, too.
    slots.tenant(0)
    user_counter().labels("known").inc()
    assert slots.samples() == found | {("charges_total", (("bank", "known"),)): 2.0}


def test_whatever_stands_in_a_label_can_be_served(slots: Slots) -> None:
    slots.tenant(0)
    user_counter().labels('"\\\n\udcff ü').inc()
    registry = prometheus_client.CollectorRegistry()
    registry.register(Collected(slots))
    text = prometheus_client.generate_latest(registry).decode()
    assert 'bank="\\"\\\\\\n? ü"' in text


class Collected(prometheus_client.registry.Collector):
    def __init__(self, slots: Slots) -> None:
        self.slots = slots

    def collect(self) -> Iterator[prometheus_client.Metric]:
        return self.slots.book.metrics(())


def test_a_name_that_was_one_kind_and_is_another_breaks_no_scrape(slots: Slots) -> None:
    slots.tenant(0)
    prometheus_client.Gauge("load", "Load.", registry=None).set(1)
    slots.tenant(0)
    prometheus_client.Summary("load", "Load.", registry=None).observe(1)
    assert slots.samples() == {("load", (("pid", "0"),)): 1.0}


def test_a_child_that_user_code_forks_does_not_write_on_the_page() -> None:
    board = Board.create(1, 1)
    values.keep_on(Page(board.slots[0].metrics))
    charges = user_counter().labels("a")
    charges.inc()
    child = os.fork()
    if not child:
        charges.inc(10)
        user_counter().labels("b").inc()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    found = [m.samples for m in Book([board.slots[0].metrics]).metrics(())]
    values.CELLS.__init__()  # type: ignore[misc]
    assert [[(s.labels, s.value) for s in samples] for samples in found] == [
        [({"bank": "a"}, 1.0)]
    ]


# --- what a worker counts ---------------------------------------------------------


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


def test_a_counter_of_the_table_has_the_name_it_is_served_by(slots: Slots) -> None:
    slots.tenant(0)
    counter(table.LEASES_LOST).add(1)
    assert slots.samples() == {("workflow_worker_leases_lost_total", ()): 1.0}
