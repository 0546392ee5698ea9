"""What fails is tried again, and what takes too long is stopped, in a real service."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet
from workflow_worker.client import DeadLetter

APP = "tests.apps.failing:app"
ENV = {"RETRY_BASE_MS": "50", "RETRY_MAX_MS": "200", "CONCURRENCY_LIMIT": "3"}


@pytest.fixture
def service(valkey: Server, db: redis.Redis, tmp_path: Path) -> Iterator[Service]:
    with Service(valkey.url, tmp_path, APP, WORKER_COUNT="1", **ENV) as running:
        yield running.start()


def start(service: Service, name: str, key: str, **payload: object) -> str:
    with service.client() as client:
        return client.publish(name, payload, key=key, id=key, keep=True)


def result(service: Service, key: str, workflow: str) -> object:
    with service.client() as client:
        return client.wait(f"0-{key}.{workflow}", timeout=60)


def attempts(service: Service, key: str) -> list[str]:
    lines = (service.marks / f"tried.{key}").read_text().splitlines()
    return [line.split()[-1] for line in lines]


def letter(service: Service) -> DeadLetter:
    with service.client() as client:
        found = wait_until(client.dead_letters, what="a dead letter")
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("category", ["transient", "recoverable"])
def test_what_fails_twice_is_tried_a_third_time(
    service: Service, db: redis.Redis, category: str
) -> None:
    start(service, "shaky", "a", category=category)

    assert result(service, "a", "shaking") == 3
    assert attempts(service, "a") == ["1", "2", "3"]
    until_quiet(db)
    stats = {k.decode(): int(v) for k, v in db.hgetall("{wf:0}:stats").items()}
    assert stats["retries"] == 2
    assert stats["events_succeeded"] == stats["executions_completed"] == 1


def test_an_execution_that_waits_for_its_next_try_holds_nothing(
    service: Service, db: redis.Redis
) -> None:
    start(service, "patient", "p")
    with service.client() as client:
        wait_until(lambda: client.executions(status="retrying"))
        seen = client.execution("0-p.waiting")
    assert seen.due_at is not None
    assert [entry.kind for entry in seen.history] == ["try"]
    found = books(db)
    assert (found["stream"], found["pending"], found["timers"]) == (0, 0, 1)
    wait_until(lambda: service.health()["activeEvents"] == 0)


def test_which_try_it_is_survives_a_kill(service: Service, db: redis.Redis) -> None:
    service.env["RETRY_BASE_MS"] = "50"
    start(service, "shaky", "k", category="recoverable")
    wait_until((service.marks / "tried.k").exists)
    os.kill(service.ready_pids()[0], signal.SIGKILL)

    assert result(service, "k", "shaking") == 3
    tried = attempts(service, "k")
    assert tried[-1] == "3"
    assert tried == sorted(tried)


def test_an_action_over_its_time_is_stopped_in_its_thread(
    service: Service,
) -> None:
    [before] = service.ready_pids()
    start(service, "late", "s", how="spin")

    assert result(service, "s", "late") == "ActionTimeout 2"
    assert service.ready_pids() == [before], "no process was killed for it"


@pytest.mark.parametrize("beside", [False, True])
def test_one_that_does_not_listen_is_killed_and_its_neighbours_resume(
    service: Service, db: redis.Redis, beside: bool
) -> None:
    [before] = service.ready_pids()
    start(service, "neighbour", "n")
    wait_until(lambda: service.marked("began") == ["n"])
    start(service, "late", "s", how="stuck", beside=beside)

    assert result(service, "s", "late") == "ActionTimeout 2"
    assert before not in service.ready_pids()
    assert len(service.times("tried", "s")) == 2
    wait_until(lambda: len(service.times("began", "n")) == 3)
    service.open_gate("n")
    assert result(service, "n", "neighbour") == "fine"
    until_quiet(db)
    assert books(db)["dead"] == 0
    assert "takes longer than it may" in service.log() or "overdue" in service.log()


@pytest.mark.parametrize("beside", [False, True])
def test_an_action_that_heartbeats_may_take_longer(
    service: Service, beside: bool
) -> None:
    service.stop()
    service.env["EVENT_TIMEOUT_MS"] = "1000"
    service.start()
    start(service, "beat", "b", beside=beside)

    assert result(service, "b", "beating") == "alive"
    assert len(service.times("tried", "b")) == 1


@pytest.mark.parametrize("how", ["wait", "action", "own"])
def test_an_execution_over_its_time_is_a_dead_letter(
    service: Service, db: redis.Redis, how: str
) -> None:
    start(service, "expire", "e", how=how)

    found = letter(service)
    assert found.error_type == "workflow_worker.errors.WorkflowTimeout"
    assert found.message == "workflow expiring took longer than its timeout of 0.5 s"
    assert found.category == "permanent"
    # Own code that can't be stopped is not run again, so what it had registered is not
    # known.
    assert service.marked("undone") == ([] if how == "own" else ["e"])
    until_quiet(db)


def test_the_last_line_ends_what_has_no_limit_of_its_own(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    env = ENV | {"EVENT_TIMEOUT_MS": "500", "MAX_RETRIES": "1"}
    with Service(valkey.url, tmp_path, APP, WORKER_COUNT="1", **env) as service:
        service.start()
        start(service, "forever", "f")
        found = letter(service)
        assert found.error_type == "workflow_worker.errors.EventTimeout"
        assert found.attempts == 2
        assert len(service.times("ran", "f")) == 2


def test_compensations_are_tried_again_in_reverse_order(
    service: Service, db: redis.Redis
) -> None:
    start(service, "undo", "u")

    found = letter(service)
    until_quiet(db)
    assert (found.error_type, found.action) == (
        "workflow_worker.errors.PermanentError",
        "fail",
    )
    second = service.times("undone", "u-second")
    first = service.times("undone", "u-first")
    assert (len(first), len(second)) == (3, 3)
    assert max(second) < min(first)
    assert len(service.times("failed", "u")) == 1
