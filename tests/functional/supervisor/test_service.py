"""The master and real processes; the workers are stand-ins that need no Redis."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import Any
from urllib.error import URLError

import pytest

from tests.functional.supervisor.supervised import Service, Start, gone
from tests.servers import wait_until


def test_a_killed_worker_is_replaced_and_the_next_one_knows_what_it_ran(
    service: Service,
) -> None:
    victim = service.births()[0]
    os.kill(victim["pid"], signal.SIGKILL)
    heir = service.until_born(3)[-1]
    assert heir["slot"] == victim["slot"]
    assert heir["predecessors"] == [
        {
            "consumer": victim["consumer"],
            "started": [f"7-{victim['slot']}"],
            "ordered": False,
            "exit": "SIGKILL",
            "overdue": [],
        }
    ]
    wait_until(lambda: service.pids() >= {heir["pid"]})


def test_what_a_killed_worker_did_stays_counted(service: Service) -> None:
    os.kill(service.births()[0]["pid"], signal.SIGKILL)
    wait_until(lambda: service.health()["eventsProcessed"] == 3)


def test_a_restart_shows_as_degraded(service: Service) -> None:
    os.kill(service.births()[0]["pid"], signal.SIGKILL)
    service.until_status("degraded")


def test_a_worker_that_drained_leaves_nothing_to_the_next(service: Service) -> None:
    os.kill(service.births()[0]["pid"], signal.SIGTERM)
    assert service.until_born(3)[-1]["predecessors"] == []


def test_the_dead_are_remembered_until_a_replacement_is_ready(
    service: Service,
) -> None:
    victim = service.births()[0]
    service.plan("crash")
    os.kill(victim["pid"], signal.SIGKILL)
    failed = service.until_born(3)[-1]
    service.plan("work")

    def heir() -> dict[str, Any] | None:
        alive = service.pids()
        return next((b for b in service.births()[3:] if b["pid"] in alive), None)

    told = {p["consumer"] for p in wait_until(heir)["predecessors"]}
    assert told >= {victim["consumer"], failed["consumer"]}


def test_term_drains_and_stops(service: Service) -> None:
    family = service.family()
    service.signal(signal.SIGTERM)
    assert service.process.wait(20) == 0
    assert gone(family)
    assert len(service.births()) == 2


def test_health_answers_while_workers_drain(start: Start) -> None:
    service = start("slow")
    service.until_status("healthy")
    service.signal(signal.SIGTERM)
    wait_until(lambda: service.health()["degradedWorkers"] == 2)
    assert service.health()["status"] == "degraded"
    assert service.process.poll() is None
    (service.folder / "release").touch()
    assert service.process.wait(20) == 0


def test_a_worker_that_does_not_drain_is_killed_in_the_end(start: Start) -> None:
    service = start("stubborn", shutdown_timeout_ms=200)
    service.until_status("healthy")
    family = service.family()
    service.signal(signal.SIGTERM)
    assert service.process.wait(20) == 0
    assert gone(family)


def test_a_second_int_stops_at_once(start: Start) -> None:
    service = start("slow")
    service.until_status("healthy")
    family = service.family()
    service.signal(signal.SIGINT)
    service.until_status("degraded")
    service.signal(signal.SIGINT)
    assert service.process.wait(20) == 1
    assert gone(family)


@pytest.mark.parametrize("plan", ["work", "stubborn"])
def test_no_process_outlives_a_killed_master(start: Start, plan: str) -> None:
    service = start(plan)
    service.until_status("healthy")
    family = service.family()
    assert len(family) == 3
    service.process.kill()
    service.process.wait()
    assert gone(family)


def test_a_killed_monitor_comes_back_on_the_same_port(service: Service) -> None:
    service.child("monitor").kill()

    def answers() -> bool:
        try:
            return service.health()["status"] == "healthy"
        except (URLError, ConnectionError):
            return False

    wait_until(answers)


def test_the_terminal_s_signals_do_not_reach_children(service: Service) -> None:
    for process in service.family():
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
    before = service.pids()
    service.signal(signal.SIGHUP)  # handled later than what went before
    service.until_logged("reload finished")
    assert "SIGINT" not in service.text()
    assert "SIGHUP" not in service.text()
    assert before


def test_the_log_says_once_that_all_workers_are_ready(service: Service) -> None:
    service.until_logged("ready: 2 workers")
    service.signal(signal.SIGHUP)
    service.until_logged("reload finished: 2 workers")
    assert service.text().count("ready: ") == 1


def test_a_worker_that_can_t_start_leaves_the_log_without_ready(start: Start) -> None:
    service = start("crash")
    service.until_logged("its replacement starts in")
    assert "ready: " not in service.text()


def test_the_master_holds_neither_redis_nor_flask_nor_an_app(service: Service) -> None:
    service.signal(signal.SIGHUP)
    service.until_logged("reload finished")
    service.signal(signal.SIGTERM)
    service.process.wait(20)
    modules = json.loads((service.folder / "modules.json").read_text())
    banned = ("redis", "hiredis", "flask", "waitress", "watchfiles", "flows")
    ours = ("worker", "monitor")
    heads = {name.split(".")[0] for name in modules}
    assert heads.isdisjoint(banned)
    assert not [
        m
        for m in modules
        if m.startswith("workflow_worker.") and m.split(".")[1] in ours
    ]


def test_workers_that_can_t_work_from_the_first_end_the_service(start: Start) -> None:
    service = start("refuse")
    assert service.process.wait(20) == 2


def test_a_crash_loop_backs_off_and_says_so(start: Start) -> None:
    service = start("crash", worker_count=1)

    def reasons() -> str:
        return " ".join(row["reasons"][0] for row in service.workers())

    wait_until(lambda: re.search("next try in [1-9]", reasons()))
    assert "crash loop" in reasons()
    assert "SIGSEGV" in reasons()
    assert service.health()["status"] == "unhealthy"
    service.plan("work")
    wait_until(
        lambda: service.health()["healthyWorkers"] + service.health()["degradedWorkers"]
    )
