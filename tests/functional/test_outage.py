"""Redis away: at boot, under load, half open, flushed, full."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy import Proxy
from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet
from workflow_worker import Rejected


@pytest.fixture
def service(own_server: Server, tmp_path: Path) -> Iterator[Service]:
    with Service(own_server.url, tmp_path, POLL_INTERVAL_MS="500") as running:
        yield running


def publish(service: Service, count: int, prefix: str) -> None:
    with service.client() as client:
        client.publish_many(
            {"name": "quick", "key": f"{prefix}{i}", "id": f"{prefix}{i}"}
            for i in range(count)
        )


def test_a_service_started_before_redis_waits_for_it(
    own_server: Server, service: Service
) -> None:
    own_server.stop()
    service.launch()
    wait_until(lambda: "can't be reached" in service.log())
    assert wait_until(lambda: service.get("/readyz")[0]) == 503
    own_server.start()
    service.until_ready()
    publish(service, 5, "x")
    wait_until(lambda: len(service.marked("ran")) == 5)


def test_an_outage_loses_nothing_and_health_says_so(
    own_server: Server, service: Service
) -> None:
    service.start()
    publish(service, 400, "before")
    with service.client() as client:
        client.publish_many(
            {"name": "slow", "key": f"s{i}", "payload": {"gate": "g"}} for i in range(4)
        )
    wait_until(lambda: len(service.marked("began")) == 4)
    publish(service, 400, "queued")
    own_server.stop(signal.SIGKILL)
    wait_until(lambda: service.health().get("status") == "degraded")
    assert service.get("/readyz")[0] == 503
    # What runs finishes meanwhile; its commit has to wait.
    service.open_gate("g")
    wait_until(lambda: len([n for n in service.marked("ran") if n[0] == "s"]) == 4)
    own_server.start()
    publish(service, 100, "after")
    with own_server.client() as db:
        found = until_quiet(db)
    assert found["dead"] == 0
    assert found["succeeded"] == 904
    assert set(service.marked("ran")) >= {f"queued{i}" for i in range(400)}
    wait_until(lambda: service.health()["status"] == "healthy")


def test_a_flushed_database_is_set_up_again(
    own_server: Server, service: Service
) -> None:
    service.start()
    with own_server.client() as db:
        db.flushall()
        publish(service, 20, "x")
        wait_until(lambda: len(service.marked("ran")) == 20)
        until_quiet(db)


def test_flushed_scripts_are_loaded_again(own_server: Server, service: Service) -> None:
    service.start()
    with own_server.client() as db:
        for i in range(5):
            db.script_flush()
            publish(service, 20, f"x{i}-")
        found = until_quiet(db)
    assert found["succeeded"] == 100


def test_a_server_that_turns_read_only_is_waited_out(
    own_server: Server, service: Service
) -> None:
    service.start()
    with own_server.client() as db:
        publish(service, 10, "x")
        until_quiet(db)
        db.replicaof("127.0.0.1", 1)
        wait_until(lambda: service.get("/readyz")[0] == 503)
        db.replicaof("NO", "ONE")
        publish(service, 10, "y")
        found = until_quiet(db)
    assert (found["succeeded"], found["dead"]) == (20, 0)


def test_a_full_server_drains(own_server: Server, service: Service) -> None:
    service.start()
    assert service.stop() == 0
    with own_server.client() as db:
        publish(service, 500, "x")
        db.config_set("maxmemory", db.info("memory")["used_memory"])
        with service.client() as client, pytest.raises(Rejected):
            client.publish("quick")
        service.start()
        found = until_quiet(db)
        assert (found["succeeded"], found["dead"]) == (500, 0)


def test_cut_and_half_open_links_are_made_anew(
    own_server: Server, tmp_path: Path
) -> None:
    with Proxy(own_server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with Service(url, tmp_path, POLL_INTERVAL_MS="200") as service:
            service.start()
            proxy.cut()
            with own_server.client() as db:
                for i in range(50):
                    db.xadd("{wf:0}:events", {"name": "quick", "key": f"a{i}"})
                found = until_quiet(db)
                proxy.freeze()
                for i in range(50):
                    db.xadd("{wf:0}:events", {"name": "quick", "key": f"b{i}"})
                wait_until(lambda: "went away" in service.log())
                proxy.thaw()
                found = until_quiet(db)
    assert (found["succeeded"], found["dead"]) == (100, 0)


def test_replies_lost_at_random_double_nothing(
    own_server: Server, tmp_path: Path
) -> None:
    with Proxy(own_server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with Service(url, tmp_path, POLL_INTERVAL_MS="200") as service:
            service.start()
            over = threading.Event()

            def cut_again_and_again() -> None:
                while not over.wait(0.02):
                    proxy.cut()

            cutter = threading.Thread(target=cut_again_and_again)
            cutter.start()
            with own_server.client() as db:
                for i in range(5000):
                    db.xadd("{wf:0}:events", {"name": "quick", "key": f"a{i}"})
                over.set()
                cutter.join()
                until_quiet(db)
                found = books(db)
    assert (found["succeeded"], found["completed"], found["dead"]) == (5000, 5000, 0)
    assert {f"a{i}" for i in range(5000)} == set(service.marked("ran"))


def test_letters_that_can_t_be_written_stop_no_worker(
    own_server: Server, service: Service
) -> None:
    service.start()
    before = {each["pid"] for each in service.workers()}
    with own_server.client() as db:
        db.set("{wf:0}:dead", "in the way")
        db.xadd("{wf:0}:events", {"payload": "{}"})  # no event: it has no name
        wait_until(lambda: "can't hand out work: " in service.log())
        publish(service, 20, "x")
        db.delete("{wf:0}:dead")
        wait_until(lambda: len(service.marked("ran")) == 20)
        assert until_quiet(db)["dead"] == 1
    assert {each["pid"] for each in service.workers()} == before
