"""Who gives no sign of life: its stacks, its end, and its successor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.functional.supervisor.supervised import Service, Start
from tests.servers import wait_until
from workflow_worker.board import Board, Slot
from workflow_worker.clock import monotonic
from workflow_worker.health import START_GRACE
from workflow_worker.model import Predecessor
from workflow_worker.supervisor.dumps import Dumps
from workflow_worker.supervisor.hangs import PAUSED, Hangs
from workflow_worker.supervisor.roster import Roster


def test_who_holds_the_interpreter_is_dumped_killed_and_replaced(start: Start) -> None:
    service = start("silent", worker_count=1, hang_timeout_ms=700)
    victim, heir = service.until_born(2)[:2]
    assert heir["predecessors"] == [
        {
            "consumer": victim["consumer"],
            "started": ["7-0"],
            "ordered": False,
            "exit": "hanging",
            "overdue": [],
        }
    ]
    said = service.text()
    assert said.count("stacks of worker 0") == 1
    assert "in hold_the_interpreter" in said
    assert "in silent" in said
    assert said.index("in hold_the_interpreter") < said.index("worker 0 is killed")
    wait_until(lambda: "restarted" in str(service.workers()[0]["reasons"]))


def test_a_stopped_process_gives_no_stacks_and_is_killed_all_the_same(
    start: Start,
) -> None:
    service = start("stopped", worker_count=1, hang_timeout_ms=700)
    heir = service.until_born(2)[1]
    assert "worker 0" in service.text()
    assert "gave no stacks" in service.text()
    wait_until(lambda: service.pids() == {heir["pid"]})


def test_who_goes_on_while_its_stacks_are_awaited_is_spared(start: Start) -> None:
    service = start("stopped", worker_count=1, hang_timeout_ms=700)
    victim = service.until_born(1)[0]
    service.until_logged("worker 0 hangs")
    os.kill(victim["pid"], signal.SIGCONT)
    service.until_logged("goes on: not killed")
    assert "stacks of worker 0" in service.text()
    assert service.births() == [victim]


def test_usr1_logs_the_stacks_of_every_process(start: Start) -> None:
    service = start(reload=True, log_format="json")
    service.until_status("healthy")
    service.child("watcher")
    service.signal(signal.SIGUSR1)
    for who in ("the master", "worker 0", "worker 1", "monitor", "watcher"):
        service.until_logged(f"stacks of {who} (pid ")
    records = [json.loads(line) for line in service.text().splitlines()]
    told = [r["message"] for r in records if r["message"].startswith("stacks of")]
    assert len(told) == 5
    assert all("\n  File " in text for text in told)
    assert service.health()["status"] == "healthy"


def test_stacks_can_be_asked_for_again(service: Service) -> None:
    for times in (1, 2, 3):
        service.signal(signal.SIGUSR1)
        for who in ("worker 0", "worker 1", "monitor"):
            wait_until(
                lambda who=who, times=times: (
                    service.text().count(f"stacks of {who}") == times
                )
            )
    assert "\0" not in service.text()


def test_each_child_holds_its_own_file_and_the_master_those_of_the_living(
    service: Service,
) -> None:
    os.kill(service.births()[0]["pid"], signal.SIGKILL)
    heir = service.until_born(3)[-1]["pid"]
    wait_until(lambda: heir in service.pids() and len(service.pids()) == 2)
    children = service.family()
    assert len(children) == 3
    assert [files(child.pid) for child in children] == [1, 1, 1]
    assert files(service.process.pid) == 3


def files(pid: int) -> int:
    """How many files for stacks it has open."""
    held = [fd.readlink() for fd in Path(f"/proc/{pid}/fd").iterdir()]
    return sum("memfd:stacks" in str(name) for name in held)


class Stage:
    """One worker that is only a process, and somebody else's clock."""

    def __init__(self) -> None:
        self.now = monotonic()
        self.dumps = Dumps()
        self.roster = Roster(Board.create(4, 4))
        self.hangs = Hangs(self.roster, self.dumps, self.now)
        self.roster.resize(1, 0.0)
        self.roster.fill(self._fork, self.now)
        self.slot = self.roster.seats[0].slot
        self.slot.begin("consumer")

    def _fork(self, slot: Slot, predecessors: tuple[Predecessor, ...]) -> int:
        def fork(fd: int) -> int:
            self.process = subprocess.Popen(["sleep", "600"])
            return self.process.pid

        return self.dumps.fork("worker 0", fork)

    def accused(self, seconds: float) -> bool:
        """Look again, so many seconds later, with a limit of 60 s."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 1.0, end)
            self.hangs.press(60.0, self.now)
        return self.dumps.awaited(self.process.pid)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.dumps.forget(self.process.pid)


def test_nobody_is_accused_before_the_limit() -> None:
    with Stage() as stage:
        stage.slot.ready()
        assert not stage.accused(59.0)
        assert stage.accused(3.0)


def test_after_a_pause_of_the_whole_service_everybody_has_the_time_again() -> None:
    with Stage() as stage:
        stage.slot.ready()
        stage.now += 1000 * PAUSED
        assert not stage.accused(59.0)
        assert stage.accused(3.0)


def test_an_import_may_take_as_long_as_a_start_and_not_for_ever() -> None:
    with Stage() as stage:
        stage.hangs.press(0.1, stage.now + 1.0)
        assert not stage.dumps.awaited(stage.process.pid)
        for second in range(2, int(START_GRACE) + 3):
            stage.hangs.press(0.1, stage.now + second)
        assert stage.dumps.awaited(stage.process.pid)


def test_who_runs_what_it_adopted_before_it_is_ready_has_begun() -> None:
    with Stage() as stage:
        stage.slot.lane(0).start(1, 0, 1, b"orders", b"0-1-0.orders")
        stage.hangs.press(0.1, stage.now + 1.0)
        assert stage.dumps.awaited(stage.process.pid)
