"""What takes its process down is found, alone; nobody else suffers for it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet

APP = "tests.apps.poison:app"
QUARANTINE = "{wf:0}:quarantine"


def letters(db: redis.Redis) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in db.xrange("{wf:0}:dead")]


@pytest.mark.parametrize(
    ("how", "evidence"),
    [
        ("segfault", b"SIGSEGV"),
        ("leave", b"exit status 3"),
        ("overflow", b"SIGSEGV"),
    ],
)
def test_what_takes_its_process_down_is_buried_with_evidence_and_nobody_else_is(
    how: str, evidence: bytes, db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    innocents = [f"i{number}" for number in range(50)]
    with Service(valkey.url, tmp_path, APP, MAX_DELIVERIES="4") as service:
        with service.client() as client:
            events = [{"name": "innocent", "key": key} for key in innocents]
            events.insert(25, {"name": "poison", "key": "p", "payload": {"how": how}})
            client.publish_many(events)
        service.start()
        found = until_quiet(db, 90)
    [letter] = letters(db)
    assert letter[b"workflow"] == b"poison"
    assert letter[b"error_type"] == b"Poison"
    assert letter[b"exit"] == evidence
    assert evidence in letter[b"message"]
    runs = Counter(service.marked("ran"))
    assert runs.pop("p") == 4
    assert set(runs) == set(innocents)
    assert max(runs.values()) <= 3
    assert set(service.marked("done")) == set(innocents)
    assert (found["succeeded"], found["failed"]) == (50, 1)


def begin(service: Service, *names: str, event: str = "slow") -> None:
    with service.client() as client:
        client.publish_many({"name": event, "key": name} for name in names)
    wait_until(lambda: set(names) <= set(service.marked("began")))


def handed_out(db: redis.Redis, name: str, times: int) -> None:
    """Publish an event as if its worker had died so often while it ran."""
    marks = {"_workflow": "slow", "_deliveries": times}
    db.xadd("{wf:0}:events", {"name": "slow", "key": name, **marks})


def kill_while(service: Service, name: str, times: int) -> None:
    """Kill the process that runs this event, so often; return when it runs again."""
    for _ in range(times):
        runs = len(service.times("began", name))
        os.kill(service.pid_of("began", name), signal.SIGKILL)
        wait_until(lambda: len(service.times("began", name)) > runs)  # noqa: B023 - called at once


def test_while_a_suspect_runs_nothing_else_begins_in_its_worker(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    innocents = [f"i{number}" for number in range(50)]
    with Service(valkey.url, tmp_path, APP) as service:
        service.start()
        begin(service, "suspect")
        kill_while(service, "suspect", 2)
        assert not db.exists(QUARANTINE)
        with service.client() as client:
            client.publish_many({"name": "innocent", "key": key} for key in innocents)
        wait_until(lambda: len(service.marked("done")) == 50)
        own = service.pid_of("began", "suspect")
        assert own not in {service.pid_of("ran", key) for key in innocents}
        service.open_gate("suspect")
        until_quiet(db)

        def begins_again() -> bool:
            ran = len(service.marked("ran"))
            with service.client() as client:
                client.publish("innocent", key="later")
            wait_until(lambda: len(service.marked("ran")) > ran)
            return own == service.pid_of("ran", "later")

        wait_until(begins_again)
        until_quiet(db)
    assert books(db)["dead"] == 0


def test_a_suspect_waits_for_what_runs_and_lets_it_submit_and_finish(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, APP, WORKER_COUNT="1") as service:
        service.start()
        begin(service, "busy", event="wide")
        handed_out(db, "suspect", 2)
        wait_until(lambda: books(db)["pending"] == 2)
        service.open_gate("busy-submit")
        service.open_gate("busy")
        wait_until(lambda: service.times("began", "suspect"))
        service.open_gate("suspect")
        until_quiet(db)
    assert service.times("done", "busy") < service.times("began", "suspect")
    assert sorted(service.marked("done")) == ["busy", "suspect"]


def test_a_drain_gives_back_a_suspect_that_waits(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(
        valkey.url, tmp_path, APP, WORKER_COUNT="1", SHUTDOWN_TIMEOUT_MS="20000"
    ) as service:
        service.start()
        begin(service, "other")
        handed_out(db, "suspect", 2)
        wait_until(lambda: books(db)["pending"] == 2)
        service.signal()
        wait_until(lambda: books(db)["pending"] == 1)
        service.open_gate("other")
        assert service.process.wait(20) == 0
    assert service.times("began", "suspect") == []
    left = books(db)
    assert (left["stream"], left["pending"], left["succeeded"]) == (1, 0, 1)
    [(_, fields)] = db.xrange("{wf:0}:events")
    assert fields[b"_deliveries"] == b"2"


def test_the_end_of_a_whole_instance_names_one_suspect(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    env = {"WORKER_COUNT": "1", "LEASE_MS": "1000", "POLL_INTERVAL_MS": "100"}
    with (
        Service(valkey.url, tmp_path, APP, **env) as one,
        Service(valkey.url, tmp_path, APP, **env) as two,
    ):
        one.start()
        two.start()
        handed_out(db, "culprit", 4)
        wait_until(lambda: one.times("began", "culprit"))
        holder = db.get(QUARANTINE)
        assert 0 < db.pttl(QUARANTINE) <= 1000
        handed_out(db, "victim", 3)
        wait_until(lambda: books(db)["timers"] == 1, what="the other is put back")
        pid = one.pid_of("began", "culprit")
        ends = next(s for s in (one, two) if pid in [p.pid for p in s.family])
        for process in ends.family:
            process.kill()
        wait_until(lambda: one.times("began", "victim"))
        assert db.get(QUARANTINE) not in (None, holder)
        one.open_gate("victim")
        until_quiet(db)
        wait_until(lambda: not db.exists(QUARANTINE))
    [letter] = letters(db)
    assert (letter[b"error_type"], letter[b"e:key"]) == (b"Poison", b"culprit")
    assert one.marked("done") == ["victim"]
    assert one.marked("began").count("culprit") == 1


def test_the_lock_is_kept_for_longer_than_a_lease(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    env = {"WORKER_COUNT": "2", "LEASE_MS": "500", "POLL_INTERVAL_MS": "100"}
    with Service(valkey.url, tmp_path, APP, **env) as service:
        service.start()
        handed_out(db, "first", 3)
        wait_until(lambda: service.times("began", "first"))
        begun = db.time()[0]
        holder = db.get(QUARANTINE)
        handed_out(db, "second", 3)
        wait_until(lambda: db.time()[0] >= begun + 3)
        assert db.get(QUARANTINE) == holder
        assert service.times("began", "second") == []
        service.open_gate("first")
        wait_until(lambda: service.times("began", "second"))
        service.open_gate("second")
        until_quiet(db)
    assert sorted(service.marked("done")) == ["first", "second"]


def test_an_event_interrupted_twenty_times_by_others_is_never_poison(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    """By drains, reloads, and kills for what a neighbour did with its time."""
    env = {"MAX_DELIVERIES": "1", "SHUTDOWN_TIMEOUT_MS": "200", "WORKER_COUNT": "1"}
    with Service(valkey.url, tmp_path, APP, **env) as service:
        service.start()
        begin(service, "long")
        for time in range(20):
            if time % 4 == 0:
                service.signal(signal.SIGHUP)
            elif time % 4 == 1:
                with service.client() as client:
                    client.publish("late")
            else:
                os.kill(service.pid_of("began", "long"), signal.SIGTERM)
            wait_until(lambda: len(service.times("began", "long")) == time + 2)  # noqa: B023 - called at once
            service.remember()
        service.open_gate("long")
        until_quiet(db)
    assert service.marked("done") == ["long"]
    assert (books(db)["dead"], books(db)["succeeded"]) == (0, 6)
