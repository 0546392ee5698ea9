"""Events in, workflows executed: the happy ways and the unhappy ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet


@pytest.fixture(scope="module")
def service(
    valkey: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with valkey.client() as client:
        client.flushall()
    folder = tmp_path_factory.mktemp("execution")
    with Service(valkey.url, folder, MAX_PAYLOAD_BYTES="2000") as running:
        yield running.start()


@pytest.fixture
def db(valkey: Server, service: Service) -> Iterator[redis.Redis]:
    """The database, with no event under way and no letter left."""
    with valkey.client() as client:
        yield client
        until_quiet(client)
        client.delete("{wf:0}:dead")


def test_a_published_event_is_executed(service: Service, db: redis.Redis) -> None:
    with service.client() as client:
        client.publish("quick", {"any": "thing"}, key="hello")
    wait_until(lambda: service.marked("ran").count("hello") == 1)


def test_a_plain_xadd_is_executed(service: Service, db: redis.Redis) -> None:
    db.xadd("{wf:0}:events", {"name": "quick", "key": "from-xadd"})
    wait_until(lambda: "from-xadd" in service.marked("ran"))


def test_an_id_published_twice_runs_once(service: Service, db: redis.Redis) -> None:
    before = books(db)["duplicate"]
    with service.client() as client:
        for _ in range(3):
            assert client.publish("quick", key="same", id="id-1") == "id-1"
    until_quiet(db)
    assert service.marked("ran").count("same") == 1
    assert books(db)["duplicate"] == before + 2


def test_actions_results_state_and_emitted_events(
    service: Service, db: redis.Redis
) -> None:
    with service.client() as client:
        client.publish("doubles", {"n": 21}, id="d-1")
    wait_until(lambda: "emitted-42" in service.marked("ran"))
    until_quiet(db)
    record = db.hgetall("{wf:0}:x:0-d-1.doubles")
    assert record[b"status"] == b"completed"
    assert json.loads(record[b"result"]) == 42
    assert record[b"state"] == b"doubling"
    action, emit = db.lrange("{wf:0}:j:0-d-1.doubles", 0, -1)
    assert b'"name":"double"' in action
    assert b'"kind":"emit"' in emit


def test_an_exception_is_a_dead_letter_with_its_traceback(
    service: Service, db: redis.Redis
) -> None:
    with service.client() as client:
        client.publish("fails", {"a": 1}, id="f-1")
        until_quiet(db)
        [letter] = client.dead_letters()
    assert letter.execution_id == "0-f-1.fails"
    assert letter.category == "permanent"
    assert letter.error_type.endswith("PermanentError")
    assert letter.message == "as asked"
    assert 'raise PermanentError("as asked")' in letter.traceback
    assert json.loads(letter.fields["payload"]) == {"a": 1}


def test_a_payload_is_validated_by_the_annotation(
    service: Service, db: redis.Redis
) -> None:
    with service.client() as client:
        client.publish("order", {"order_id": "o-1", "cents": 5}, id="good")
        client.publish("order", {"order_id": "o-2", "cents": "many"}, id="bad")
        until_quiet(db)
        [letter] = client.dead_letters()
    assert "o-1" in service.marked("ran")
    assert letter.execution_id == "0-bad.order"
    assert "cents" in letter.message


@pytest.mark.parametrize(
    ("fields", "in_message"),
    [
        ({"payload": "{}"}, "name"),
        ({"name": "quick", "payload": '{"broken'}, "payload"),
        ({"name": "quick", "payload": "[1]"}, "payload"),
        ({"name": "quick", "payload": b"\xff\x00\xfe"}, "payload"),
        ({"name": "quick", "key": b"\xff\x00\xfe"}, "key"),
        ({b"\x00\xff": b"\xfe\x00"}, "name"),
        ({"name": "quick", "payload": '{"x":"' + "y" * (2001 - 8) + '"}'}, "2001"),
    ],
)
def test_garbage_is_a_dead_letter_whole_and_blocks_nothing(
    service: Service,
    db: redis.Redis,
    fields: dict[str | bytes, str | bytes],
    in_message: str,
) -> None:
    db.xadd("{wf:0}:events", fields)  # type: ignore[arg-type]
    db.xadd("{wf:0}:events", {"name": "quick", "key": f"after-{in_message}"})
    wait_until(lambda: f"after-{in_message}" in service.marked("ran"))
    until_quiet(db)
    [(_, letter)] = db.xrange("{wf:0}:dead")
    assert letter[b"category"] == b"permanent"
    assert in_message in letter[b"message"].decode()
    for name, value in fields.items():
        raw = name if isinstance(name, bytes) else name.encode()
        kept = letter[b"e:" + raw]
        assert kept == (value if isinstance(value, bytes) else value.encode())


def test_a_payload_at_the_limit_runs(service: Service, db: redis.Redis) -> None:
    payload = '{"x":"' + "y" * (2000 - 8) + '"}'
    db.xadd("{wf:0}:events", {"name": "quick", "key": "fits", "payload": payload})
    wait_until(lambda: "fits" in service.marked("ran"))


def test_health_counts_each_event_once(service: Service, db: redis.Redis) -> None:
    until_quiet(db)
    before = service.health()
    with service.client() as client:
        client.publish_many({"name": "quick", "key": f"h{i}"} for i in range(250))
        client.publish_many({"name": "fails"} for _ in range(20))
    until_quiet(db)

    def counted() -> bool:
        now = service.health()
        return bool(now["eventsProcessed"] - before["eventsProcessed"] == 270)

    wait_until(counted)
    now = service.health()
    assert now["eventsFailed"] - before["eventsFailed"] == 20
    assert now["eventsSucceeded"] - before["eventsSucceeded"] == 250


def test_health_says_exactly_what_the_contract_says(service: Service) -> None:
    status, body = service.get("/api/health/worker")
    assert status == 200
    assert set(body) == {
        "status",
        "workerCount",
        "healthyWorkers",
        "degradedWorkers",
        "unhealthyWorkers",
        "eventsProcessed",
        "eventsSucceeded",
        "eventsFailed",
        "activeEvents",
        "timestamp",
    }
    assert body["workerCount"] == 2


def test_never_more_run_at_once_than_the_limit(
    service: Service, db: redis.Redis
) -> None:
    with service.client() as client:
        client.publish_many(
            {"name": "slow", "key": f"s{i}", "payload": {"gate": "all"}}
            for i in range(25)
        )
    # Two workers with five threads each; the rest has to wait.
    wait_until(lambda: len(service.marked("began")) == 10)
    wait_until(lambda: service.health()["activeEvents"] == 10)
    assert len(service.marked("began")) == 10
    service.open_gate("all")
    until_quiet(db)
    assert len([name for name in service.marked("ran") if name[0] == "s"]) >= 25


def test_the_masters_memory_holds_no_redis_and_no_flask(service: Service) -> None:
    maps = Path(f"/proc/{service.process.pid}/maps").read_text()
    assert "libpython" in maps or "python" in maps
    assert "hiredis" not in maps
    assert "markupsafe" not in maps


def test_the_masters_family_is_named(service: Service) -> None:
    master = psutil.Process(service.process.pid)
    titles = [" ".join(p.cmdline()) for p in master.children(recursive=True)]
    assert any("wfworker: worker 0" in title for title in titles)
    assert any("wfworker: monitor" in title for title in titles)


def test_the_system_knows_a_workers_threads_by_name(service: Service) -> None:
    [worker] = [
        each
        for each in psutil.Process(service.process.pid).children()
        if "worker 0" in " ".join(each.cmdline())
    ]
    comms = Path(f"/proc/{worker.pid}/task").glob("*/comm")
    names = {comm.read_text().strip() for comm in comms}
    # Not the heart: it gives the process its title, which the system takes for its own.
    assert {"committer", "keeper", "pool-0", "pool-4"} <= names
