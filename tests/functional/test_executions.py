"""What producers and operators do with executions, against a real service."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service
from workflow_worker import (
    Client,
    ExecutionFailed,
    ExecutionNotFound,
    NotPossible,
    OutcomeUnknown,
    Unavailable,
)
from workflow_worker.client import waiting

APP = "tests.apps.desk:app"
SOON = 20.0
"""Seconds within which whatever can end has ended; a wait for it ends far earlier."""


@pytest.fixture(scope="module")
def service(
    valkey: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with valkey.client() as client:
        client.flushall()
    with Service(valkey.url, tmp_path_factory.mktemp("desk"), app=APP) as running:
        yield running.start()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def db(valkey: Server, service: Service) -> Iterator[redis.Redis]:
    with valkey.client() as db:
        yield db


def until(client: Client, execution_id: str, status: str) -> None:
    """Wait until an execution has come so far."""

    def there() -> bool:
        try:
            return client.execution(execution_id).status == status
        except ExecutionNotFound:
            return False

    wait_until(there, what=f"{execution_id} {status}")


def asking(client: Client, **payload: float) -> str:
    """Start an execution that waits for an answer; return its id."""
    execution_id = f"0-{client.publish('asks', payload)}.asks"
    until(client, execution_id, "waiting")
    return execution_id


# --- publish and wait -------------------------------------------------------------


def test_publish_waits_for_the_result(client: Client) -> None:
    assert client.publish("doubles", {"n": 21}, wait=True, timeout=SOON) == 42


def test_no_result_is_a_result(client: Client) -> None:
    assert client.publish("nothing", wait=True, timeout=SOON) is None


def test_several_results_come_in_the_order_of_the_workflows(client: Client) -> None:
    found = client.publish("pair", {"n": 3}, wait=True, timeout=timedelta(seconds=SOON))
    assert found == [12, 6]  # doubled_again, doubles


def test_the_second_of_one_id_gets_the_result_of_the_first(client: Client) -> None:
    first = client.publish("doubles", {"n": 1}, id="same", wait=True, timeout=SOON)
    again = client.publish("doubles", {"n": 7}, id="same", wait=True, timeout=SOON)
    assert (first, again) == (2, 2)


def test_a_failure_is_raised(client: Client) -> None:
    with pytest.raises(ExecutionFailed, match="gate never is closed") as failed:
        client.publish("gated", {"gate": "never"}, wait=True, timeout=SOON)
    assert (failed.value.status, failed.value.category) == ("failed", "permanent")


def test_what_nobody_wants_is_not_waited_for(client: Client) -> None:
    with pytest.raises(ExecutionNotFound, match="start none for unheard"):
        client.publish("unheard.of", wait=True, timeout=SOON)


def test_a_timeout_names_what_was_published_and_leaves_it_be(client: Client) -> None:
    with pytest.raises(TimeoutError, match="event e-slow was published") as over:
        client.publish("asks", id="e-slow", wait=True, timeout=0)
    assert "0-e-slow.asks is" in str(over.value) or "queued" in str(over.value)
    client.signal("0-e-slow.asks", "yes", {"by": "ann"})
    assert client.wait("0-e-slow.asks", SOON) == {"name": "yes", "by": "ann"}


def test_publish_waits_for_a_service_too(own_server: Server, tmp_path: Path) -> None:
    with (
        Client(own_server.url) as client,
        own_server.client() as db,
        ThreadPoolExecutor(1) as threads,
        Service(own_server.url, tmp_path, app=APP) as service,
    ):
        result = threads.submit(client.publish, "doubles", {"n": 2}, wait=True)
        try:
            wait_until(lambda: db.xlen("{wf:0}:events") == 1)
        finally:
            service.start()
        assert result.result(SOON) == 4


def test_a_wait_outlives_a_short_outage(own_server: Server, tmp_path: Path) -> None:
    with (
        Service(own_server.url, tmp_path, app=APP) as service,
        Client(own_server.url, timeout=SOON) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        service.start()
        execution_id = asking(client)
        result = threads.submit(client.wait, execution_id)
        own_server.stop()
        own_server.start()
        client.signal(execution_id, "yes")
        assert result.result(SOON) == {"name": "yes"}


def test_an_outage_that_lasts_ends_a_wait(own_server: Server) -> None:
    with (
        Client(own_server.url, timeout=0.2) as client,
        own_server.client() as db,
        ThreadPoolExecutor(2) as pool,
    ):
        event_id = client.publish("doubles", {"n": 2})
        waited = pool.submit(client.wait, f"0-{event_id}.doubles")
        published = pool.submit(client.publish, "doubles", {"n": 2}, wait=True)
        wait_until(lambda: db.xlen("{wf:0}:events") == 2)
        own_server.stop()
        with pytest.raises(Unavailable):
            waited.result(SOON)
        with pytest.raises(OutcomeUnknown, match="was published"):
            published.result(SOON)


# --- later ------------------------------------------------------------------------


def test_a_delayed_event_waits_in_the_timers(client: Client, db: redis.Redis) -> None:
    event_id = client.publish("doubles", {"n": 4}, delay=timedelta(hours=1), keep=True)
    assert db.zscore("{wf:0}:timers", f"d:{event_id}")
    with pytest.raises(TimeoutError, match="still queued"):
        client.wait(f"0-{event_id}.doubles", timeout=0)
    db.zadd("{wf:0}:timers", {f"d:{event_id}": 1})  # its time has come
    assert client.wait(f"0-{event_id}.doubles", SOON) == 8


def test_a_short_delay_passes_by_itself(client: Client) -> None:
    delay = {"delay": 0.05}
    assert client.publish("doubles", {"n": 1}, wait=True, timeout=SOON, **delay) == 2


def test_an_event_appears_at_its_time(client: Client, db: redis.Redis) -> None:
    at = datetime(2400, 1, 1, tzinfo=UTC)
    client.publish("doubles", {"n": 4}, at=at, id="far")
    assert db.zscore("{wf:0}:timers", "d:far") == at.timestamp() * 1000
    db.zrem("{wf:0}:timers", "d:far")
    past = datetime(2000, 1, 1, tzinfo=UTC)
    assert client.publish("doubles", {"n": 4}, at=past, wait=True, timeout=SOON) == 8


def test_many_may_be_delayed_and_kept(client: Client, db: redis.Redis) -> None:
    late, kept = client.publish_many(
        [
            {"name": "nothing", "delay": 3600},
            {"name": "nothing", "keep": True, "delay": -1},
        ]
    )
    assert client.wait(f"0-{kept}.nothing", SOON) is None
    assert db.zrem("{wf:0}:timers", f"d:{late}") == 1


# --- wait for one -----------------------------------------------------------------


def test_what_left_nothing_is_not_found_and_told_how_to_keep_it(
    client: Client, db: redis.Redis
) -> None:
    event_id = client.publish("nothing")
    wait_until(lambda: not db.xrange("{wf:0}:events", event_id, event_id))
    with pytest.raises(ExecutionNotFound, match="keep=True"):
        client.wait(f"0-{event_id}.nothing", SOON)


@pytest.mark.parametrize("unknown", ["0-e-none.asks", "nonsense", "0-1-1.asks/2"])
def test_what_never_was_is_not_waited_for(client: Client, unknown: str) -> None:
    with pytest.raises(ExecutionNotFound, match="neither queued nor recorded"):
        client.wait(unknown)


def test_what_is_forgotten_meanwhile_ends_a_wait(
    client: Client, db: redis.Redis
) -> None:
    execution_id = asking(client)
    wait = waiting.for_execution(client._links, client._partition, execution_id)
    assert client._links.call(wait._look) is None
    db.delete(f"{{wf:0}}:x:{execution_id}")
    with pytest.raises(ExecutionNotFound, match="RESULT_TTL_MS"):
        wait.until_ended(SOON)


# --- look and steer ---------------------------------------------------------------


def test_a_waiting_one_shows_all_that_is_known(client: Client) -> None:
    execution_id = asking(client, n=4)
    found = client.execution(execution_id)
    assert (found.workflow, found.version, found.state) == ("asks", "2", "asking")
    assert (found.data, found.waiting_for) == ({"asked": 8}, ["yes", "no"])
    assert found.due_at is not None
    assert found.due_at > datetime.now(UTC)
    [step] = found.history
    assert (step.kind, step.name, step.result, step.error) == (
        *("action", "double"),
        *(8, None),
    )
    [listed] = client.executions(status="waiting", key=found.key)
    assert (listed.id, listed.history) == (execution_id, ())


def test_a_signal_reaches_one_execution_alone(client: Client) -> None:
    chosen, other = asking(client), asking(client)
    event_id = client.signal(chosen, "no", {"n": 1}, event_id=f"s-{chosen}")
    assert event_id == f"s-{chosen}"
    assert client.wait(chosen, SOON) == {"name": "no", "n": 1}
    assert client.execution(other).status == "waiting"
    kinds = [entry.kind for entry in client.execution(chosen).history]
    assert kinds == ["action", "wait"]


def test_a_cancelled_one_ends_and_can_go_on(client: Client) -> None:
    execution_id = asking(client)
    assert client.cancel(execution_id) == "cancelled"
    with pytest.raises(ExecutionFailed, match="cancelled"):
        client.wait(execution_id)
    client.retry(execution_id)
    until(client, execution_id, "waiting")
    client.signal(execution_id, "yes")
    assert client.wait(execution_id, SOON) == {"name": "yes"}
    with pytest.raises(NotPossible, match="is completed already"):
        client.cancel(execution_id)


def test_a_failed_one_goes_on_once_its_cause_is_gone(
    client: Client, service: Service
) -> None:
    execution_id = f"0-{client.publish('gated', {'gate': 'g-1'})}.gated"
    with pytest.raises(ExecutionFailed):
        client.wait(execution_id, SOON)
    assert execution_id in [each.id for each in client.executions("failed", "gated")]
    assert execution_id in [each.execution_id for each in client.dead_letters()]
    service.open_gate("g-1")
    client.retry(execution_id)
    assert client.wait(execution_id, SOON) == "g-1"
    assert execution_id not in [each.execution_id for each in client.dead_letters()]
    with pytest.raises(NotPossible, match="only a failed or cancelled one"):
        client.retry(execution_id)


def test_what_is_not_there_can_not_be_steered(client: Client) -> None:
    for act in (client.execution, client.cancel, client.retry):
        with pytest.raises(ExecutionNotFound, match="no record of an execution 0-x"):
            act("0-x.asks")


def test_the_fleet_tells_what_an_event_starts(client: Client) -> None:
    assert client.started_by("pair") == ["doubled_again", "doubles"]
    assert client.started_by("yes") == []
