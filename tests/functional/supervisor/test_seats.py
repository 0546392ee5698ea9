"""How many workers there are, and how they are replaced without anybody missing."""

from __future__ import annotations

import re
import signal
from typing import Any

from tests.functional.supervisor.supervised import Service, Start, gone
from tests.servers import wait_until


def never_fewer(service: Service, count: int = 2) -> dict[str, Any]:
    health = service.health()
    assert health["healthyWorkers"] >= count
    return health


def test_ttin_and_ttou_are_one_worker_more_or_fewer(service: Service) -> None:
    for count in (3, 4):
        service.signal(signal.SIGTTIN)
        wait_until(lambda n=count: service.health()["healthyWorkers"] == n)
    for count in (3, 2, 1):
        service.signal(signal.SIGTTOU)
        wait_until(lambda n=count: service.health()["workerCount"] == n)
        wait_until(lambda n=count: len(service.pids()) == n)
    service.signal(signal.SIGTTOU)
    service.until_logged("there is room for 1 to 32 workers, not for 0")
    assert service.health()["workerCount"] == 1


def test_a_reload_goes_back_to_the_number_that_is_set(service: Service) -> None:
    service.signal(signal.SIGTTIN)
    wait_until(lambda: service.health()["healthyWorkers"] == 3)
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.health()["workerCount"] == 2)
    wait_until(lambda: len(service.pids()) == 2)


def test_who_has_done_enough_is_replaced_and_nobody_is_missing(start: Start) -> None:
    service = start("eager", max_events_per_worker=10)
    service.until_status("healthy")
    before = service.pids()

    def replaced() -> bool:
        never_fewer(service)
        return service.pids().isdisjoint(before)

    wait_until(replaced)
    assert "events: it is replaced" in service.text()
    never_fewer(service)


def test_who_has_grown_too_large_is_replaced(start: Start) -> None:
    service = start("grows", max_memory_mb=180)
    first = {birth["pid"]: birth["slot"] for birth in service.until_born(2)}
    (large,) = (pid for pid, slot in first.items() if slot == 0)
    service.until_born(3)
    wait_until(lambda: large not in service.pids())
    assert "MB of memory: it is replaced" in service.text()
    assert len(service.births()) == 3


def test_a_replacement_that_does_not_work_replaces_nobody(start: Start) -> None:
    service = start("eager", max_events_per_worker=5, worker_count=1)
    service.until_status("healthy")
    service.plan("crash")
    service.until_logged("not replaced: the new worker died before it was ready")
    # Until it reads that, one eager worker replaces the other.
    eager = [birth["pid"] for birth in service.births() if birth["plan"] == "eager"]
    before = {eager[-1]}
    wait_until(lambda: service.pids() == before)
    assert service.health()["status"] == "healthy"
    service.plan("work")
    wait_until(lambda: service.pids().isdisjoint(before))


def test_a_reload_ends_a_replacement_that_was_under_way(start: Start) -> None:
    service = start("eager", max_events_per_worker=5, worker_count=1)
    service.until_status("healthy")
    service.plan("late")
    # Until it reads that, one eager worker replaces the other.
    wait_until(lambda: service.births()[-1]["plan"] == "late")
    before = service.births()
    service.plan("work")
    service.signal(signal.SIGHUP)
    service.until_logged("reload finished")
    wait_until(
        lambda: service.pids() == {service.births()[-1]["pid"]},
        what="neither the former nor the abandoned newcomer is left",
    )
    assert len(service.births()) == len(before) + 1
    assert f"worker {before[-1]['slot']} never was ready: killed" in service.text()


def test_a_limit_of_memory_that_is_too_low_is_told_and_ends_in_no_storm(
    start: Start,
) -> None:
    service = start(max_memory_mb=1, worker_count=1)
    often = re.compile(r"is that too low\? The next one is replaced in ([0-9.]+) s")
    wait_until(lambda: len(often.findall(service.text())) == 3)
    first, _, third = map(float, often.findall(service.text()))
    assert first <= 0.5
    assert third >= 1


def test_a_worker_that_dies_while_it_drains_has_an_heir_at_once(start: Start) -> None:
    service = start("slow")
    service.until_status("healthy")
    service.signal(signal.SIGTTOU)
    draining = service.child("worker 1")
    wait_until(lambda: service.health()["workerCount"] == 1)
    first = service.births()
    draining.kill()
    (heir,) = service.until_born(3)[2:]
    (dead,) = heir["predecessors"]
    (born,) = (birth for birth in first if birth["pid"] == draining.pid)
    assert dead["consumer"] == born["consumer"]
    wait_until(lambda: service.health()["healthyWorkers"] == 1)


def test_titles_say_role_and_number(service: Service) -> None:
    assert service.child("worker 0 [flows]")
    assert service.child("monitor [flows]")
    master = service.master_title
    wait_until(lambda: master() == "wfworker: master [flows] 2 workers")
    service.signal(signal.SIGTTOU)
    wait_until(lambda: master() == "wfworker: master [flows] 1 worker")


def test_neither_watcher_nor_rehearsal_outlives_a_killed_master(start: Start) -> None:
    service = start(reload=True)
    service.until_status("healthy")
    (service.folder / "flows.py").write_text("import time\ntime.sleep(600)\n")
    family = [service.child("watcher"), service.child("monitor")]
    service.signal(signal.SIGHUP)
    family.append(service.child("rehearsal"))
    service.process.kill()
    assert gone(family)
