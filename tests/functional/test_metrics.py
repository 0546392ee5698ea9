"""What Prometheus sees of a running service: names, sums, and no counter going back."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from tests.functional.promtools import needs_prometheus, prometheus, promtool
from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet
from workflow_worker.metrics.table import TABLE, Kind

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
OURS = "workflow_worker_"


@pytest.fixture
def service(db: redis.Redis, valkey: Server, tmp_path: Path) -> Iterator[Service]:
    app = "tests.apps.counted:app"
    with Service(valkey.url, tmp_path, app, RETRY_BASE_MS="1") as running:
        yield running.start()


def exposition(service: Service) -> str:
    url = f"http://127.0.0.1:{service.http_port}/metrics"
    with urllib.request.urlopen(url, timeout=20) as answer:
        kind = answer.headers["Content-Type"]
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        return str(answer.read().decode())


def scrape(service: Service) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition(service))
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    wanted = labels.items()
    return sum(
        value
        for (found, has), value in samples.items()
        if found == name and wanted <= dict(has).items()
    )


def publish(service: Service, fate: str, times: int) -> None:
    with service.client() as client:
        event = {"name": "wanted", "payload": {"fate": fate}}
        client.publish_many(event for _ in range(times))


def kill(service: Service, pids: list[int]) -> None:
    """Kill workers, and wait until others have taken their places."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: set(pids).isdisjoint(service.ready_pids()), what="they are dead")
    service.until_ready()


def sold(service: Service, fate: str) -> float:
    return total(scrape(service), "tickets_sold_total", fate=fate)


@needs_prometheus
def test_every_metric_is_served_and_promtool_has_nothing_to_say(
    service: Service, db: redis.Redis
) -> None:
    publish(service, "fine", 3)
    until_quiet(db)

    def all_there() -> str | None:
        text = exposition(service)
        there = [
            f"\n# TYPE {row.full_name} {row.kind}\n" in text
            and f"\n{row.full_name}" in text
            for row in TABLE
        ]
        return text if all(there) else None

    text = wait_until(all_there, what="every metric of the table")
    assert promtool("check", "metrics", text=text) == (0, "")


def test_a_users_metric_from_inside_an_action_survives_the_worker(
    service: Service, db: redis.Redis
) -> None:
    publish(service, "fine", 20)
    wait_until(lambda: sold(service, "fine") == 20, what="all are counted")
    kill(service, service.ready_pids())
    assert sold(service, "fine") == 20
    publish(service, "fine", 5)
    wait_until(lambda: sold(service, "fine") == 25, what="it goes on from there")
    assert total(scrape(service), "at_desk") == 0
    assert total(scrape(service), f"{OURS}restarts_total", reason="died") == 2


def test_counters_equal_the_books_after_ten_reloads_under_load(
    service: Service, db: redis.Redis
) -> None:
    fates, rounds = ("fine", "flaky", "bad"), 10
    for number in range(rounds):
        for fate in fates:
            publish(service, fate, 30)
        with service.client() as client:
            client.publish("of no interest", {})
        reload(service, number + 1)
    found = until_quiet(db)
    each = 30 * rounds
    assert (found["succeeded"], found["failed"]) == (2 * each, each)

    def agree() -> bool:
        counted, health = scrape(service), service.health()
        sums = [
            total(counted, f"{OURS}events_total", outcome=outcome)
            for outcome in ("succeeded", "failed", "ignored")
        ]
        stats = books(db)
        return (
            sums == [stats["succeeded"], stats["failed"], stats["ignored"]]
            and sums[:2] == [health["eventsSucceeded"], health["eventsFailed"]]
            and total(counted, f"{OURS}dead_letters_total") == stats["dead"]
            and total(counted, f"{OURS}dead_letters_stored") == stats["dead"]
            and {
                outcome: total(counted, f"{OURS}actions_total", outcome=outcome)
                for outcome in ("succeeded", "failed", "retried")
            }
            == {"succeeded": 2 * each, "failed": each, "retried": each}
            and total(counted, f"{OURS}errors_total", category="transient") == each
            and total(counted, f"{OURS}errors_total", category="permanent") == each
            and total(counted, f"{OURS}event_wait_seconds_count") == 3 * each
            and total(counted, "tickets_sold_total") == 2 * each
        )

    wait_until(agree, what="the counters agree with the books")


def reload(service: Service, times: int) -> None:
    """Reload the code, and wait for the end of it."""
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.log().count("reload finished") >= times, what="reloaded")


@needs_prometheus
def test_no_counter_goes_back_though_workers_die_and_are_reloaded(
    service: Service, db: redis.Redis, tmp_path: Path
) -> None:
    with prometheus(service.http_port, tmp_path) as query:
        for _ in range(3):
            publish(service, "fine", 50)
            publish(service, "flaky", 20)
            kill(service, service.ready_pids()[:1])
        reload(service, 1)
        publish(service, "bad", 10)
        until_quiet(db)
        failed = f'{OURS}events_total{{outcome="failed"}}'
        wait_until(lambda: value(query(f"sum({failed})")) == 10, what="the last scrape")
        for name in [*counting(), "tickets_sold_total"]:
            # Else there would be nothing to go back from.
            wait_until(
                lambda n=name: query(f"count_over_time({n}[5m]) > 10"), what=name
            )
            assert query(f"resets({name}[5m]) > 0") == []
        assert value(query(f"sum({OURS}restarts_total)")) == 3


def value(found: list[dict[str, Any]]) -> float | None:
    return float(found[0]["value"][1]) if found else None


def counting() -> Iterator[str]:
    """Names of all series that must never go back."""
    for row in TABLE:
        if row.kind is Kind.COUNTER:
            yield row.full_name
        elif row.kind is Kind.HISTOGRAM:
            yield from (
                f"{row.full_name}_{part}" for part in ("bucket", "sum", "count")
            )
