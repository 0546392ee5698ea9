"""What is counted survives its worker, adds up over workers, and stays bounded."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import prometheus_client
import pytest

from tests.unit.pages import ROOM, Slots
from workflow_worker.board import Board
from workflow_worker.metrics import table, values
from workflow_worker.metrics.book import Book
from workflow_worker.metrics.counting import Durations, counter
from workflow_worker.metrics.page import Page


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


def test_a_child_that_user_code_forks_does_not_write_on_the_page(slots: Slots) -> None:
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
    assert [[(s.labels, s.value) for s in samples] for samples in found] == [
        [({"bank": "a"}, 1.0)]
    ]


def test_a_counter_of_the_table_has_the_name_it_is_served_by(slots: Slots) -> None:
    slots.tenant(0)
    counter(table.LEASES_LOST).add(1)
    assert slots.samples() == {("workflow_worker_leases_lost_total", ()): 1.0}
