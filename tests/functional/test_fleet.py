"""Several instances share the work: pauses, takeovers, different code."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet

QUICK = {"LEASE_MS": "1000", "POLL_INTERVAL_MS": "200", "WORKER_COUNT": "1"}


def test_a_worker_paused_past_its_lease_changes_nothing_when_it_wakes(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    with (
        Service(valkey.url, tmp_path, **QUICK) as one,
        Service(valkey.url, tmp_path, **QUICK) as two,
    ):
        one.start()
        two.start()
        with one.client() as client:
            client.publish("slow", key="contended")
        wait_until(lambda: "contended" in one.marked("began"))
        paused = one.pid_of("began", "contended")
        os.kill(paused, signal.SIGSTOP)
        try:
            wait_until(lambda: len(one.times("began", "contended")) == 2)
        finally:
            os.kill(paused, signal.SIGCONT)
        assert one.pid_of("began", "contended") != paused
        one.open_gate("contended")
        wait_until(lambda: len(one.times("ran", "contended")) == 2)
        found = until_quiet(db)
        assert (found["succeeded"], found["completed"], found["dead"]) == (1, 1, 0)
        wait_until(
            lambda: (
                one.health()["eventsProcessed"] + two.health()["eventsProcessed"] == 1
            )
        )
        wait_until(lambda: "lost" in one.log() + two.log())


def test_a_long_event_keeps_its_lease(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    with (
        Service(valkey.url, tmp_path, **QUICK) as one,
        Service(valkey.url, tmp_path, **QUICK) as two,
    ):
        one.start()
        two.start()
        with one.client() as client:
            client.publish("slow", key="long")
        wait_until(lambda: "long" in one.marked("began"))
        # Long enough for several claims: other events pass through both meanwhile.
        entry = db.xpending_range("{wf:0}:events", "workers", "-", "+", 1)[0]
        renewals = 0
        last = entry["time_since_delivered"]
        while renewals < 6:
            idle = db.xpending_range("{wf:0}:events", "workers", "-", "+", 1)[0]
            renewals += idle["time_since_delivered"] < last
            last = idle["time_since_delivered"]
            assert last < 1000
        one.open_gate("long")
        until_quiet(db)
        assert one.marked("began") == one.marked("ran") == ["long"]


def test_work_for_a_workflow_that_is_not_here_goes_to_where_it_is(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    with (
        Service(valkey.url, tmp_path, **QUICK, RETRY_MAX_MS="1000") as plain,
        Service(
            valkey.url, tmp_path, "tests.apps.tally:app", **QUICK, RETRY_MAX_MS="1000"
        ) as tally,
    ):
        plain.start()
        tally.start()
        with plain.client() as client:
            client.publish_many({"name": "Closed"} for _ in range(40))
            client.publish_many(
                {"name": "quick", "key": f"q{number}"} for number in range(40)
            )
        found = until_quiet(db)
        assert (found["succeeded"], found["ignored"], found["dead"]) == (80, 0, 0)
        assert db.scard("seen:Closed") == len(plain.marked("ran")) == 40
        assert "put back" in plain.log() + tally.log()


def test_an_instance_that_goes_leaves_its_share_to_the_other(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    with (
        Service(valkey.url, tmp_path, **QUICK) as one,
        Service(valkey.url, tmp_path, **QUICK) as two,
    ):
        one.start()
        two.start()
        names = [f"n{number}" for number in range(8)]
        with one.client() as client:
            client.publish_many({"name": "slow", "key": name} for name in names)
        wait_until(lambda: sorted(one.marked("began")) == names)
        for process in one.family:
            if process.is_running():
                process.kill()
        for name in names:
            one.open_gate(name)
        found = until_quiet(db)
        assert sorted(set(one.marked("ran"))) == names
        assert found["succeeded"] == 8
        assert books(db)["dead"] == 0
