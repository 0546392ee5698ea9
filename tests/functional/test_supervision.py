"""What becomes of workers that hang, leak or are looked into, with real workflows."""

from __future__ import annotations

import json
import re
import signal
import threading
from pathlib import Path

import psutil
import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet


def titles(service: Service) -> list[str]:
    children = psutil.Process(service.process.pid).children()
    return [" ".join(child.cmdline()).rstrip() for child in children]


def test_an_event_that_hangs_its_worker_is_buried_and_its_neighbour_completes(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(
        valkey.url,
        tmp_path,
        "tests.apps.hanging:app",
        HANG_TIMEOUT_MS="1000",
        POLL_INTERVAL_MS="500",
        MAX_DELIVERIES="3",
        WORKER_COUNT="1",
        LOG_FORMAT="json",
    ) as service:
        service.start()
        with service.client() as client:
            client.publish("slow", key="neighbour")
            wait_until(lambda: service.marked("began") == ["neighbour"])
            client.publish("hangs", key="hangs")
            wait_until(lambda: "worker 0 hangs" in service.log())
            service.open_gate("neighbour")
            until_quiet(db)
            [letter] = client.dead_letters()
        records = [json.loads(line) for line in service.log().splitlines()]
    dumps = [r for r in records if r["message"].startswith("stacks of worker 0")]
    assert len(dumps) == len(service.times("began", "hangs")) == 3
    assert all("in hold_the_interpreter" in dump["message"] for dump in dumps)
    assert (letter.fields["key"], letter.error_type) == (b"hangs", "Poison")
    assert letter.exit == "hanging"
    # Twice where the first time its commit did not get through before the hang.
    assert set(service.marked("ran")) == {"neighbour"}
    assert books(db)["succeeded"] == 1


def test_recycling_loses_nothing_and_nobody_is_missing_meanwhile(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, MAX_EVENTS_PER_WORKER="50") as service:
        service.start()
        enough = threading.Event()
        names: list[str] = []

        def publish() -> None:
            with service.client() as client:
                while not enough.wait(0.005):
                    names.append(f"e{len(names)}")
                    client.publish("quick", key=names[-1])

        publisher = threading.Thread(target=publish)
        publisher.start()
        try:

            def replaced() -> bool:
                assert len(service.ready_pids()) >= 2
                return service.log().count("events: it is replaced") == 3

            wait_until(replaced, 60)
        finally:
            enough.set()
            publisher.join()
        until_quiet(db)
        service.remember()
        assert service.stop() == 0
    assert sorted(service.marked("ran")) == sorted(names)
    assert books(db)["succeeded"] == len(names)


def test_usr1_reaches_a_worker_whose_app_took_it_and_ends_nobody(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, "tests.apps.hanging:app") as service:
        before = service.start().ready_pids()
        service.signal(signal.SIGUSR1)
        for who in ("the master", "worker 0", "worker 1", "monitor"):
            wait_until(lambda who=who: f"stacks of {who} (pid" in service.log())
        assert len(re.findall("in _keep", service.log())) > 1
        assert "(committer) (most recent call first)" in service.log()
        assert service.ready_pids() == before


def test_a_worker_s_title_says_how_busy_it_is(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, WORKER_COUNT="1") as service:
        service.start()
        title = "wfworker: worker 0 [tests.apps.plain]"
        wait_until(lambda: f"{title} 0/5 busy" in titles(service))
        with service.client() as client:
            client.publish_many({"name": "slow", "key": key} for key in "ab")
        wait_until(lambda: f"{title} 2/5 busy" in titles(service))
        service.signal()
        wait_until(lambda: f"{title} draining, 2/5 busy" in titles(service))
        assert any(
            re.search(r"master .* stopping, 1 worker$", t) for t in family(service)
        )
        for key in "ab":
            service.open_gate(key)
        assert service.process.wait(20) == 0


def family(service: Service) -> list[str]:
    return [" ".join(psutil.Process(service.process.pid).cmdline()).rstrip()]
