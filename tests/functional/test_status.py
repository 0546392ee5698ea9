"""The fleet as it registers itself: two instances come, one dies, one ends in order."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service, until_quiet
from tests.unit.cli import commands
from workflow_worker.board import Board
from workflow_worker.broker.instances import GONE_MS, LOST_MS
from workflow_worker.client import Instance
from workflow_worker.clock import monotonic
from workflow_worker.monitor import registrar
from workflow_worker.settings import Settings

INSTANCES, BEATS = "{wf}:instances", "{wf}:beats"


def seen(service: Service) -> dict[int, Instance]:
    """The instances by the pids of their masters."""
    with service.client() as client:
        return {each.pid: each for each in client.fleet().instances}


def status(service: Service, *more: str) -> str:
    result = commands.run("status", "--redis-url", service.redis_url, *more)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def silence(db: redis.Redis, name: str, ms: int) -> None:
    """Let the last sign of life be so long ago."""
    beat = db.zscore(BEATS, name)
    assert beat is not None
    db.zadd(BEATS, {name: beat - ms}, xx=True)


def tells_of_both(one: Service, two: Service) -> None:
    """Look at two instances, in one of which an action is busy, in every way."""
    text = status(one)
    assert text.startswith("2 instances: 2 healthy; 2 workers: 2 healthy; ")
    assert f"127.0.0.1:{one.http_port}" in text
    assert f"127.0.0.1:{two.http_port}" in text
    told = json.loads(status(one, "--json"))
    busy = [
        running["action"]
        for instance in told["instances"]
        for worker in instance["workers"]
        for running in worker["running"]
    ]
    assert busy == ["through_gate"]
    assert (told["backlog"], told["pending"]) == (1, 1)
    code, answer = one.get("/api/fleet")
    assert (code, answer.keys()) == (200, told.keys())


def test_instances_are_seen_from_their_start_to_their_end(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    some = {"app": "tests.apps.durable:app", "WORKER_COUNT": "1"}
    with (
        Service(valkey.url, tmp_path, **some) as one,
        Service(valkey.url, tmp_path, **some) as two,
    ):
        one.launch()
        two.start()
        one.until_ready()
        both = dict.fromkeys((one.process.pid, two.process.pid), "healthy")
        wait_until(lambda: {pid: i.status for pid, i in seen(one).items()} == both)
        with one.client() as client:
            client.publish("steps", key="k")
        wait_until(lambda: "through_gate" in status(one))
        tells_of_both(one, two)
        one.open_gate("k-1")
        one.open_gate("k-2")
        until_quiet(db)

        # Killed, the master says no last word, and neither does anybody for it.
        two.process.kill()
        two.process.wait(10)
        wait_until(lambda: not any(process.is_running() for process in two.family))
        dead = seen(one)[two.process.pid].name
        silence(db, dead, LOST_MS)
        assert seen(one)[two.process.pid].lost
        assert "1 lost" in status(one)
        silence(db, dead, GONE_MS)
        wait_until(lambda: db.hexists(INSTANCES, dead) == 0, what="it is forgotten")

        assert one.stop() == 0
        assert not db.exists(INSTANCES, BEATS)
        assert status(one).startswith("no instance runs on redis://127.0.0.1:")


def test_an_instance_is_heard_of_again_after_redis_was_away(
    own_server: Server,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registrar, "BEAT_S", 0.05)
    caplog.set_level(logging.INFO)
    settings = dataclasses.replace(Settings(), redis_url=own_server.url)
    telling = registrar.Registrar(settings, Board.create(1, 1), "i-1", None, monotonic)
    telling.start()
    with own_server.client() as db:
        wait_until(lambda: db.hexists(INSTANCES, "i-1"))
        own_server.stop()
        wait_until(lambda: "the fleet does not hear" in caplog.text)
        own_server.start()
        db.delete(INSTANCES, BEATS)
        wait_until(lambda: db.exists(INSTANCES, BEATS) == 2)
    wait_until(lambda: "the fleet hears of this instance again" in caplog.text)
    telling.end()
    assert caplog.text.count("the fleet does not hear") == 1
