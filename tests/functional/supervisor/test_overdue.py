"""What takes longer than it may costs its worker the life, and nobody else anything."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from tests.functional.supervisor.supervised import Service, Start
from tests.servers import wait_until


def started(start: Start, plan: str, **changes: Any) -> tuple[Service, dict[str, Any]]:
    """A service of one worker, and that worker's birth."""
    service = start(plan, worker_count=1, **changes)
    return service, service.until_born(1)[0]


def test_whoever_runs_an_action_for_too_long_is_killed_and_replaced(
    start: Start,
) -> None:
    service, victim = started(start, "overdue")
    heir = service.until_born(2)[1]
    assert heir["slot"] == victim["slot"]
    wait_until(lambda: service.pids() == {heir["pid"]})
    wait_until(lambda: "restarted" in str(service.workers()[0]["reasons"]))


def test_the_next_one_is_told_what_was_overdue_and_what_only_ran(start: Start) -> None:
    service, victim = started(start, "overdue")
    assert service.until_born(2)[1]["predecessors"] == [
        {
            "consumer": victim["consumer"],
            "started": ["7-0", "8-0", "9-0"],
            "ordered": True,
            "exit": "SIGKILL",
            "overdue": [["7-0", 3, "charge"]],
        }
    ]


def test_the_log_says_why(start: Start) -> None:
    service, _ = started(start, "overdue")
    service.until_born(2)
    said = r"worker 0 is killed: 0-7-0.orders of workflow orders takes longer than it"
    assert len(re.findall(said + r" may in action charge", service.text())) == 1


def test_an_action_that_keeps_the_interpreter_is_stopped_too(start: Start) -> None:
    service, victim = started(start, "gil")
    (dead,) = service.until_born(2)[1]["predecessors"]
    assert dead["consumer"] == victim["consumer"]
    assert dead["overdue"] == [["7-0", 3, "charge"]]


@pytest.mark.parametrize("plan", ["extended", "cleared", "torn"])
def test_who_is_not_overdue_after_all_is_left_alone(start: Start, plan: str) -> None:
    service, victim = started(start, plan)
    wait_until((service.folder / "outlived").exists)
    assert service.births() == [victim]
    assert "is killed" not in service.text()


def test_whoever_is_overdue_while_it_drains_is_killed_before_its_grace_is_over(
    start: Start,
) -> None:
    service, _ = started(start, "lingers", shutdown_timeout_ms=3_600_000)
    service.until_status("healthy")
    service.signal(signal.SIGTERM)
    assert service.process.wait(20) == 0
    assert "in action charge" in service.text()


@pytest.mark.parametrize(
    ("plan", "evidence"), [("crash", "SIGSEGV"), ("exit", "exit status 3")]
)
def test_how_a_worker_died_is_told(start: Start, plan: str, evidence: str) -> None:
    service, victim = started(start, plan)
    dead = service.until_born(2)[1]["predecessors"][-1]
    assert (dead["consumer"], dead["exit"]) == (victim["consumer"], evidence)
    assert (dead["ordered"], dead["overdue"]) == (False, [])


def test_a_neighbour_s_end_is_no_business_of_the_others(start: Start) -> None:
    service = start("overdue", worker_count=2)
    _, heir = service.until_born(2)[1], service.until_born(3)[2]
    assert heir["slot"] == 0
    other = next(birth for birth in service.births() if birth["slot"] == 1)
    assert other["pid"] in service.pids()
    os.kill(other["pid"], 0)
