"""Executions that wait, on real workers: what survives, what arrives, what ends."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service, until_quiet

APP = "tests.apps.durable:app"


@pytest.fixture(scope="module")
def service(
    valkey: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with valkey.client() as client:
        client.flushall()
    with Service(valkey.url, tmp_path_factory.mktemp("durable"), APP) as running:
        yield running.start()


@pytest.fixture
def db(valkey: Server, service: Service) -> Iterator[redis.Redis]:
    with valkey.client() as client:
        yield client


def test_a_result_is_durable_soon_whatever_its_workflow_does(
    service: Service, db: redis.Redis
) -> None:
    with service.client() as client:
        client.publish("thinks", key="t", id="t")
    wait_until(lambda: service.marked("thinking"))
    # The workflow is stuck in code of its own; nobody but the flusher can store it.
    wait_until(lambda: db.llen("{wf:0}:j:0-t.thinks") == 1)
    assert service.marked("ran") == []
    service.open_gate("t")
    until_quiet(db)
    assert service.marked("noted").count("t") == 1


def test_a_late_approval_never_approves_the_next_order(
    service: Service, db: redis.Redis
) -> None:
    chance = random.Random(5)
    with service.client() as client:
        for turn in range(40):
            key = f"late-{turn}"
            client.publish("placed", key=key, id=f"first-{turn}")
            approvals = [
                threading.Thread(
                    target=client.publish,
                    args=("approved", {"by": name}),
                    kwargs={"key": key},
                )
                for name in ("ann", "bob")
            ]
            for thread in approvals:
                thread.start()
                if chance.random() < 0.5:
                    thread.join()
            for thread in approvals:
                thread.join()
            if chance.random() < 0.5:
                client.wait(f"0-first-{turn}.approval", timeout=60)
            # Published after both approvals, so neither is meant for it.
            client.publish("placed", key=key, id=f"next-{turn}")
        until_quiet(db)
        waiting = {
            execution.id for execution in client.executions(status="waiting", limit=100)
        }
        assert waiting == {f"0-next-{turn}.approval" for turn in range(40)}
        for execution in waiting:
            client.signal(execution, "rejected", {"by": "cid"})
        for turn in range(40):
            assert client.wait(f"0-next-{turn}.approval", 20) == "rejected by cid"


def test_submitted_actions_run_side_by_side_and_answer_in_order(
    service: Service,
) -> None:
    with service.client() as client:
        assert client.publish("meets", wait=True, timeout=60) == [2, 1, 0]


def test_a_cancel_reaches_who_waits_at_once_and_undoes(
    service: Service, db: redis.Redis
) -> None:
    with service.client() as client:
        client.publish("placed", key="regret", id="regret")
        wait_until(
            lambda: db.hget("{wf:0}:x:0-regret.approval", "status") == b"waiting"
        )
        assert client.cancel("0-regret.approval") == "asked"
        wait_until(lambda: client.execution("0-regret.approval").status == "cancelled")
    assert service.marked("undone").count("regret") == 1


def test_a_cancel_reaches_who_runs_at_its_next_action(
    service: Service, db: redis.Redis
) -> None:
    with service.client() as client:
        client.publish("steps", key="s", id="s", keep=True)
        wait_until(lambda: "s-1" in service.marked("at gate"))
        # Nothing was recorded yet, so there is no record to be asked.
        service.open_gate("s-1")
        wait_until(lambda: "s-2" in service.marked("at gate"))
        assert client.cancel("0-s.steps") == "asked"
        service.open_gate("s-2")
        wait_until(lambda: client.execution("0-s.steps").status == "cancelled")
    assert "s" in service.marked("undone")


def test_an_idempotency_key_is_the_same_over_a_death(
    service: Service, db: redis.Redis
) -> None:
    with service.client() as client:
        client.publish("thinks", key="twice", id="twice")
        wait_until(lambda: "twice" in service.marked("thinking"))
        wait_until(lambda: db.llen("{wf:0}:j:0-twice.thinks") == 1)
        keys = (service.marks / "noted.twice").read_text().split()[3:4]
    epoch = db.hget("{wf}:meta", "epoch").decode()
    assert keys == [f"wf:{epoch}:0-twice.thinks:1"]
    service.open_gate("twice")
    until_quiet(db)


def test_a_delayed_event_comes_while_every_worker_is_blocked_in_a_read(
    service: Service, db: redis.Redis
) -> None:
    until_quiet(db)
    with service.client() as client:
        client.publish("reminder", key="soon", delay=0.5)
        assert "soon" not in service.marked("reminded")
        wait_until(lambda: service.marked("reminded").count("soon") == 1)


def test_a_delayed_event_and_a_wait_survive_a_restart_of_everything(
    own_server: Server, tmp_path: Path
) -> None:
    with Service(own_server.url, tmp_path, APP) as service:
        service.start()
        with service.client() as client:
            client.publish("reminder", key="later", delay=3)
            client.publish("placed", key="o", id="o")
            wait_until(lambda: client.executions(status="waiting"))
        assert service.stop() == 0
    own_server.stop(signal.SIGTERM)
    own_server.start()
    with Service(own_server.url, tmp_path, APP) as service:
        service.start()
        wait_until(lambda: service.marked("reminded") == ["later"])
        with service.client() as client:
            client.publish("approved", {"by": "ann"}, key="o")
            assert client.wait("0-o.approval", 20) == "approved by ann"
