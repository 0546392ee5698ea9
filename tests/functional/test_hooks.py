"""Hooks in a real service: once per worker, before and after, and of dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service, until_quiet
from workflow_worker import (
    ActionCall,
    App,
    Context,
    DeadLetterNotice,
    PermanentError,
)
from workflow_worker.testing import TestWorker

APP = "tests.apps.hooked:app"


@pytest.fixture
def service(valkey: Server, db: redis.Redis, tmp_path: Path) -> Iterator[Service]:
    with Service(valkey.url, tmp_path, APP, WORKER_COUNT="1") as service:
        yield service


def marks(service: Service, kind: str, name: str) -> list[tuple[float, int, str]]:
    """When, in which process, and what was said."""
    path = service.marks / f"{kind}.{name}"
    lines = path.read_text().splitlines() if path.exists() else []
    found = (line.split(maxsplit=3) for line in lines)
    return [(float(at), int(pid), "".join(text)) for at, pid, _, *text in found]


def test_the_start_comes_before_the_first_event_and_the_stop_after_the_last(
    service: Service,
) -> None:
    with service.client() as client:
        client.publish("slow", key="s")
        service.start()
        wait_until(lambda: service.marked("began") == ["s"])
        service.signal()
        wait_until(lambda: "draining: 1 events" in service.log())
        assert marks(service, "stop", "worker") == []
        service.open_gate("s")
        assert service.process.wait(20) == 0, "an error in the stop is no crash"

    [start] = marks(service, "start", "worker")
    [stop] = marks(service, "stop", "worker")
    [ran] = marks(service, "ran", "s")
    assert start[0] < service.times("began", "s")[0] < ran[0] < stop[0]
    assert (start[1], start[2]) == (stop[1], stop[2]) == (ran[1], "main")
    assert "on_worker_stop hook" in service.log()
    assert "ConnectionError: no matter" in service.log()


def test_a_worker_whose_start_fails_takes_nothing_and_is_tried_until_it_does_not(
    service: Service,
) -> None:
    away = service.marks / "away"
    away.touch()
    with service.client() as client:
        client.publish("quick", key="q")
    service.launch()

    def crash_loop() -> bool:
        reasons = [reason for each in service.workers() for reason in each["reasons"]]
        return any(
            "crash loop" in why and "on_worker_start failed" in why for why in reasons
        )

    wait_until(crash_loop, 120, "the health says why")
    assert service.health()["status"] == "unhealthy"
    assert service.get("/readyz")[0] == 503
    assert "ConnectionError: the database is away" in service.log()
    assert service.marked("ran") == service.marked("stop") == []

    away.unlink()
    wait_until(lambda: service.marked("ran") == ["q"], 40)
    service.until_ready()


def test_dead_letters_are_told_of_beside_everything_else(
    service: Service, db: redis.Redis
) -> None:
    service.start()
    with service.client() as client:
        client.publish("permanent", key="held")
        wait_until(lambda: len(client.dead_letters()) == 1)
        for key in ("bad", "last"):
            client.publish("permanent", key=key)
        result = client.publish("acts", {"n": 5}, id="a", keep=True)
        assert client.wait(f"0-{result}.acts", timeout=60) == 5
        until_quiet(db)
        assert service.marked("buried") == [], "the first call holds up no commit"

        service.signal()
        wait_until(lambda: "draining" in service.log() or "stopping" in service.log())
        service.open_gate("held")
        assert service.process.wait(20) == 0

    assert service.marked("before") == service.marked("after") == ["0-a.acts"]
    said = "workflow_worker.errors.PermanentError as asked notices"
    for key in ("held", "bad", "last"):
        [(_, _, text)] = marks(service, "buried", key)
        assert text == said
    assert "on_dead_letter hook" in service.log()
    assert "ConnectionError: bad" in service.log()


def test_a_test_worker_runs_hooks_of_every_kind() -> None:
    app, seen = App("hooked"), list[object]()

    @app.on_worker_start
    def start() -> None:
        seen.append("start")

    @app.on_worker_stop
    def stop() -> None:
        seen.append("stop")

    @app.around_action
    def around(call: ActionCall) -> Iterator[None]:
        seen.append(call.action)
        yield

    @app.on_dead_letter
    def buried(notice: DeadLetterNotice) -> None:
        seen.append(notice)

    @app.action
    def fail() -> None:
        raise PermanentError("as asked")

    @app.workflow(on="a")
    def flow(ctx: Context) -> None:
        fail()

    with TestWorker(app) as worker:
        assert seen == ["start"]
        execution = worker.start("a", {"n": 1}, key="k")
        assert execution.status == "failed"

    _, action, notice, last = seen
    assert (action, last) == ("fail", "stop")
    assert isinstance(notice, DeadLetterNotice)
    assert (notice.execution_id, notice.workflow) == (execution.id, "flow")
    assert notice.event is not None
    assert (notice.event.name, notice.event.payload) == ("a", {"n": 1})
    assert notice.error_type == "workflow_worker.errors.PermanentError"
    assert (notice.message, notice.category) == ("as asked", "permanent")
    assert (notice.attempts, notice.action) == (1, "fail")
    assert "as asked" not in repr(notice)


def test_a_test_worker_does_not_begin_when_its_start_fails() -> None:
    app = App("hooked")

    @app.on_worker_start
    def start() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"), TestWorker(app):
        raise AssertionError("began")
