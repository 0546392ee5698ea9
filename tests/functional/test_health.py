"""What a running service says of its workers, and why."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service
from workflow_worker.board import Board
from workflow_worker.broker import boot, figures
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.errors import Unavailable
from workflow_worker.worker.vitals import Recent, Vitals


def reasons(service: Service) -> list[str]:
    return [reason for worker in service.workers() for reason in worker["reasons"]]


def reasons_until(service: Service, last: str) -> set[str]:
    """All that was told until this was."""
    told: set[str] = set()

    def look() -> bool:
        told.update(reasons(service))
        return last in told

    wait_until(look)
    return told


def test_a_worker_in_which_most_runs_fail_is_degraded_and_says_so(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, WORKER_COUNT="1") as service:
        service.start()
        with service.client() as client:
            client.publish_many({"name": "quick", "key": f"q{n}"} for n in range(6))
            client.publish_many({"name": "fails"} for n in range(6))
        wait_until(
            lambda: reasons(service) == ["6 of 12 runs failed in the last 5 minutes"]
        )
        assert service.workers()[0]["status"] == "degraded"
        assert service.health()["status"] == "degraded"


def test_a_server_that_hangs_does_not_make_workers_look_hung(
    own_server: Server, tmp_path: Path
) -> None:
    env = {"LEASE_MS": "1000", "HANG_TIMEOUT_MS": "2000"}
    env["POLL_INTERVAL_MS"] = "200"
    with Service(own_server.url, tmp_path, **env) as service:
        service.start()
        with service.client() as client:
            client.publish_many({"name": "slow", "key": f"s{n}"} for n in range(4))
        wait_until(lambda: len(service.marked("began")) == 4)
        before = sorted(service.ready_pids())
        server = own_server.process
        assert server is not None
        server.send_signal(signal.SIGSTOP)
        # Meanwhile renewals wait for their answers, longer than HANG_TIMEOUT_MS.
        told = reasons_until(service, "Redis does not answer for 2 s")
        server.send_signal(signal.SIGCONT)
        assert {reason.split(" for ")[0] for reason in told} == {
            "Redis does not answer"
        }
        assert sorted(service.ready_pids()) == before


def test_busy_threads_and_a_backlog_on_a_real_server_are_saturation(
    db: redis.Redis, valkey: Server
) -> None:
    partition, link = Partition("wf"), Link(valkey.url)
    boot.check(link, partition)
    slot = Board.create(1, 1).slots[0]
    slot.hand_over(restarted=False)
    slot.inhabited(os.getpid())
    slot.begin("c")

    def waiting() -> int:
        length, leased = figures.backlog(link, partition)
        return length - leased

    def since() -> float:
        Vitals(slot, Recent(), lambda: True, waiting).look()
        return slot.view().saturated_since

    for _ in range(2):
        db.xadd(partition.events, {"name": "go"})
    assert since() > 0
    db.xreadgroup("workers", "c", {partition.events: ">"})
    assert since() == 0
    link.close()


def test_a_backlog_that_may_not_be_read_is_not_taken_for_none(
    own_server: Server,
) -> None:
    with own_server.client() as admin:
        rights = ["+@all", "-xinfo"]
        admin.acl_setuser("blind", True, nopass=True, keys=["*"], commands=rights)
    link = Link(own_server.url.replace("//", "//blind:x@"))
    with pytest.raises(Unavailable):
        figures.backlog(link, Partition("wf"))
    link.close()
