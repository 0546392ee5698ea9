"""The units of ``scripts/systemd``, as they are, under a real systemd."""

from __future__ import annotations

import configparser
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.functional.machine import UNITS, Machine, unable
from tests.servers import Server, free_port, wait_until
from workflow_worker.client import Client
from workflow_worker.settings import Settings
from workflow_worker.supervisor.service import MONITOR_GRACE, PULSE

APP = """
import os, time
from pathlib import Path
from workflow_worker import App, Context, Event

app = App("shop")
STATE = Path(os.environ["STATE_DIRECTORY"])
HEIRS = STATE / "heirs"
with HEIRS.open("a") as file:  # one line for each process that imports this
    file.write(f"{os.getpid()}\\n")
if STATE.joinpath("fall").exists() and len(HEIRS.read_text().splitlines()) > 1:
    os._exit(9)


@app.workflow(on="look")
def look(ctx: Context, event: Event) -> dict[str, object]:
    try:
        Path("/srv/trace").touch()
        outside = "written"
    except OSError as error:
        outside = error.strerror
    return {
        "outside": outside,
        "root": os.getuid() == 0,
        "speaks": "NOTIFY_SOCKET" in os.environ,
    }


@app.workflow(on="wait")
def wait(ctx: Context, event: Event) -> str:
    STATE.joinpath("began").touch()
    while not STATE.joinpath("go").exists():
        time.sleep(0.01)
    STATE.joinpath("ended").touch()
    return "done"
"""
QUICK = """[Service]
WatchdogSec=3
TimeoutAbortSec=1
RestartSec=0
"""
"""What an operator would wait longer for; all else is as the unit has it."""


class Unit:
    """One of the services of a machine, installed and configured but not started."""

    def __init__(self, machine: Machine, unit: str, redis_url: str) -> None:
        self.unit = unit
        self.machine = machine
        self.short = unit.rpartition("@")[2]
        self.namespace = unit.replace("@", "-")
        self.state = machine.root / "var" / "lib" / "private" / self.namespace
        self.state.mkdir(parents=True)
        self.http_port = free_port()
        self.redis_url = redis_url
        overrides = machine.root / f"etc/systemd/system/{unit}.service.d"
        overrides.mkdir()
        (overrides / "quick.conf").write_text(QUICK)
        machine.install(self.short, APP)
        self.configure()
        machine.systemctl("daemon-reload")

    def configure(self, **settings: str) -> None:
        own = {
            "REDIS_URL": self.redis_url,
            "WORKFLOW_APP": "shop:app",
            "WORKFLOW_NAMESPACE": self.namespace,
            "HTTP_PORT": str(self.http_port),
            "WORKER_COUNT": "2",
        }
        self.machine.configure(self.short, **own | settings)

    def ctl(self, verb: str, *flags: str, check: bool = True) -> None:
        self.machine.systemctl(verb, *flags, self.unit, check=check)

    def show(self, name: str) -> str:
        return self.machine.show(self.unit, name)

    def until(self, state: str) -> None:
        what = f"{self.unit} is {state}"
        wait_until(lambda: self.show("ActiveState") == state, what=what)

    def processes(self) -> list[psutil.Process]:
        return self.machine.processes(self.unit)

    def master(self) -> psutil.Process:
        family = self.processes()
        pids = {process.pid for process in family}
        return next(each for each in family if each.ppid() not in pids)

    def get(self, path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def worker_pids(self) -> set[int]:
        """By their pids in the machine."""
        return {worker["pid"] for worker in self.get("/api/workers")["workers"]}

    def client(self) -> Client:
        return Client(self.redis_url, namespace=self.namespace)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if why := unable():
        if os.environ.get("CI"):
            pytest.fail(f"CI boots a systemd, but {why}")
        pytest.skip(why)
    with Machine(tmp_path_factory.mktemp("machine")) as booted:
        yield booted


@pytest.fixture(scope="module")
def installed(machine: Machine, valkey: Server) -> Unit:
    """An instance of the template."""
    return Unit(machine, "wfworker@orders", valkey.url)


@pytest.fixture
def unit(installed: Unit) -> Unit:
    """The same, up and running."""
    installed.ctl("start")
    return installed


@pytest.fixture
def alone(machine: Machine, valkey: Server) -> Unit:
    """The unit for a host with one service."""
    return Unit(machine, "wfworker", valkey.url)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


def test_started_means_that_every_worker_is_ready(unit: Unit) -> None:
    unit.ctl("restart")
    health = unit.get("/api/health/worker")
    assert (health["status"], health["healthyWorkers"]) == ("healthy", 2)
    wait_until(lambda: unit.show("StatusText") == "healthy: 2 workers")


def test_a_service_whose_workers_fall_is_not_up_until_they_stand(alone: Unit) -> None:
    fall = alone.state / "fall"
    fall.touch()
    alone.ctl("start", "--no-block")
    heirs = alone.state / "heirs"
    wait_until(lambda: heirs.exists() and len(heirs.read_text().split()) > 4)
    assert alone.show("ActiveState") == "activating"
    fall.unlink()
    alone.until("active")
    with alone.client() as client:
        assert client.publish("look", wait=True, timeout=60)
    alone.ctl("stop")


def test_a_living_master_is_left_alone_by_the_watchdog(unit: Unit) -> None:
    restarts, beats = unit.show("NRestarts"), set[str]()
    wait_until(
        lambda: (
            beats.add(unit.show("WatchdogTimestampMonotonic")) or len(beats) > 3  # type: ignore[func-returns-value]
        ),
        what="four signs of life",
    )
    assert unit.show("NRestarts") == restarts


def test_a_stopped_master_is_killed_with_its_children_and_started_again(
    unit: Unit,
) -> None:
    restarts, before = int(unit.show("NRestarts")), unit.processes()
    unit.master().send_signal(signal.SIGSTOP)
    wait_until(lambda: int(unit.show("NRestarts")) == restarts + 1)
    assert gone(before)
    unit.until("active")


def test_a_killed_master_is_started_again_and_leaves_no_child(unit: Unit) -> None:
    restarts, before = int(unit.show("NRestarts")), unit.processes()
    unit.master().kill()
    wait_until(lambda: int(unit.show("NRestarts")) == restarts + 1)
    assert gone(before)
    unit.until("active")
    assert len(unit.worker_pids()) == 2


def test_a_reload_lasts_until_every_worker_is_new(unit: Unit) -> None:
    before, master = unit.worker_pids(), unit.show("MainPID")
    unit.ctl("reload", "--no-block")
    unit.until("reloading")
    unit.until("active")
    # The last of the old ones may still be draining, but was replaced.
    assert len(unit.worker_pids() - before) == 2
    assert unit.show("MainPID") == master


def test_a_reload_that_is_refused_is_over_at_once(unit: Unit) -> None:
    before = unit.worker_pids()
    dotenv = unit.machine.root / "srv" / unit.short / ".env"
    dotenv.write_text("BATCH_SIZE=many\n")
    try:
        unit.ctl("reload")
        wait_until(lambda: "not reloaded" in unit.machine.log())
        unit.until("active")
    finally:
        dotenv.unlink()
    assert unit.worker_pids() == before


def test_a_stopping_service_finishes_what_runs(unit: Unit) -> None:
    with unit.client() as client:
        client.publish("wait")
    wait_until((unit.state / "began").exists)
    before = unit.processes()
    # Not by systemctl: so it learns that from the master alone.
    unit.master().terminate()
    unit.until("deactivating")
    (unit.state / "go").touch()
    unit.until("inactive")
    assert (unit.state / "ended").exists()
    assert (unit.show("Result"), unit.show("ExecMainStatus")) == ("success", "0")
    assert gone(before)


def test_wrong_settings_are_not_tried_again(unit: Unit) -> None:
    unit.ctl("stop")
    unit.configure(WORKER_COUNT="many")
    try:
        unit.ctl("start", check=False)
        assert unit.show("ActiveState") == "failed"
        assert (unit.show("ExecMainStatus"), unit.show("NRestarts")) == ("2", "0")
        assert "WORKER_COUNT is 'many'" in unit.machine.log()
    finally:
        unit.configure()


def test_user_code_writes_to_its_own_folder_and_does_not_speak_for_the_service(
    unit: Unit,
) -> None:
    with unit.client() as client:
        seen = client.publish("look", wait=True, timeout=60)
    expected = {"outside": "Read-only file system", "root": False, "speaks": False}
    assert seen == expected


@pytest.mark.parametrize("name", ["wfworker.service", "wfworker@.service"])
def test_systemd_finds_nothing_to_say_about_a_unit(name: str, tmp_path: Path) -> None:
    here = str(Path(sys.executable).parent)
    text = (UNITS / name).read_text()
    copy = tmp_path / name.replace("@", "@orders")
    # It asks whether the command is there, which nobody installed in /srv.
    for folder in ("/srv/wfworker/.venv/bin", "/srv/%i/.venv/bin"):
        text = text.replace(folder, here)
    copy.write_text(text)
    done = analyze("verify", str(copy))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["wfworker.service", "wfworker@.service"])
def test_a_unit_exposes_little_of_its_host(name: str) -> None:
    unit = str(UNITS / name)
    done = analyze("security", "--offline=true", "--threshold=30", unit)
    assert done.returncode == 0, done.stdout


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, text=True, timeout=60
    )


@pytest.mark.parametrize("name", ["wfworker.service", "wfworker@.service"])
def test_a_unit_is_patient_with_a_drain_and_with_the_masters_pulse(name: str) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(UNITS / name)
    longest = Settings().shutdown_timeout_ms / 1000 + MONITOR_GRACE
    assert unit.getfloat("Service", "TimeoutStopSec") > longest
    assert 10 * PULSE < unit.getfloat("Service", "WatchdogSec") <= 60
