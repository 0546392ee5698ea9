"""Rolling reloads: new code and settings, and never a worker less."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.functional.supervisor.supervised import GOOD_APP, ROOT, Service, Start
from tests.servers import wait_until


def test_a_reload_replaces_every_worker_and_never_has_fewer_ready(
    service: Service,
) -> None:
    before = service.pids()
    service.signal(signal.SIGHUP)

    def replaced() -> bool:
        health = service.health()
        assert health["healthyWorkers"] == health["workerCount"] == 2
        return service.pids().isdisjoint(before) and len(service.pids()) == 2

    wait_until(replaced)
    assert len(service.births()) == 4
    assert all(not birth["predecessors"] for birth in service.births())


def test_nobody_drains_before_the_next_one_is_ready(service: Service) -> None:
    before = service.pids()
    service.plan("late")
    service.signal(signal.SIGHUP)
    newcomer = service.until_born(3)[-1]
    for _ in range(50):  # many rounds of the master
        assert service.pids() == before | {newcomer["pid"]}
        assert service.health()["healthyWorkers"] == 2
    (service.folder / "release").touch()
    wait_until(lambda: service.pids().isdisjoint(before))


def test_a_reload_brings_new_settings(service: Service) -> None:
    changed = {"worker_count": 3, "workflow_app": "flows:app", "log_level": "debug"}
    (service.folder / "settings.json").write_text(json.dumps(changed))
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.health()["healthyWorkers"] == 3)
    levels = [birth["log_level"] for birth in service.births()]
    assert levels == ["info"] * 2 + ["debug"] * 3


def test_a_reload_refuses_no_probe(service: Service) -> None:
    done = threading.Event()

    def probe() -> int:
        asked = 0
        while not done.is_set():
            assert service.get("/livez") == {"status": "live"}
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as pool:
        probes = [pool.submit(probe) for _ in range(4)]
        try:
            for number in range(1, 6):
                # New settings mean a new monitor, too.
                changed = {"worker_count": 2, "workflow_app": "flows:app"}
                changed["hang_timeout_ms"] = 60_000 + number
                (service.folder / "settings.json").write_text(json.dumps(changed))
                service.signal(signal.SIGHUP)
                wait_until(lambda n=number: service.text().count("finished") == n)
        finally:
            done.set()
        assert all(asked.result() for asked in probes)


def test_a_reload_with_fewer_workers_lets_the_rest_drain(service: Service) -> None:
    changed = {"worker_count": 1, "workflow_app": "flows:app"}
    (service.folder / "settings.json").write_text(json.dumps(changed))
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.health()["workerCount"] == 1)
    wait_until(lambda: len(service.pids()) == 1)


def test_code_that_does_not_import_replaces_nobody(service: Service) -> None:
    before = service.pids()
    (service.folder / "flows.py").write_text("def broken(:\n")
    service.signal(signal.SIGHUP)
    service.until_logged("not reloaded")
    assert "SyntaxError" in service.text()
    assert service.pids() == before
    assert service.health()["status"] == "healthy"


def test_a_changed_package_needs_a_restart_and_says_so(
    start: Start, tmp_path: Path
) -> None:
    package = tmp_path / "workflow_worker"  # found before ours: it is started there
    pycache = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow_worker", package, ignore=pycache)
    service = start()
    service.until_status("healthy")
    before = service.pids()
    (package / "version.py").touch()
    service.signal(signal.SIGHUP)
    service.until_logged("not reloaded: workflow_worker itself changed, please restart")
    assert service.pids() == before


def test_a_reload_changes_what_the_master_logs(service: Service) -> None:
    changed = {"worker_count": 2, "workflow_app": "flows:app", "log_format": "json"}
    (service.folder / "settings.json").write_text(json.dumps(changed))
    service.signal(signal.SIGHUP)
    service.until_logged('"reload finished: 2 workers"')


def test_workers_that_fail_to_start_replace_nobody(service: Service) -> None:
    before = service.pids()
    service.plan("crash")
    service.signal(signal.SIGHUP)
    service.until_logged("not reloaded")
    assert service.pids() == before


def test_a_reload_that_ends_midway_says_how_many_are_new(start: Start) -> None:
    service = start()
    service.until_status("healthy")
    service.plan("late")
    service.signal(signal.SIGHUP)
    service.until_born(3)
    service.plan("crash")
    (service.folder / "release").touch()
    service.until_logged("reloaded in part, 1 of 2 workers are new: the new worker")


def test_hups_during_a_reload_are_one_more_round(service: Service) -> None:
    for _ in range(3):
        service.signal(signal.SIGHUP)
        service.until_born(3)
    wait_until(lambda: service.text().count("reload finished") == 2)
    assert len(service.births()) == 6


def test_with_reload_a_broken_app_is_waited_for(start: Start, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text("import nothing_of_this_name\n")
    service = start(reload=True)
    service.until_logged("nothing_of_this_name")
    service.until_logged("not reloaded, and no worker runs: the App could not be")
    service.until_status("unhealthy")
    assert service.births() == []
    service.child("watcher")
    (tmp_path / "flows.py").write_text(GOOD_APP)
    service.until_status("healthy")


def test_with_reload_the_start_is_no_reload(start: Start) -> None:
    service = start(reload=True)
    service.until_logged("ready: 2 workers")
    assert "reload finished" not in service.text()


def test_a_changed_file_reloads_by_itself(start: Start, tmp_path: Path) -> None:
    service = start(reload=True)
    service.until_status("healthy")
    before = service.pids()
    # Again and again: when the watcher began to look can't be seen from here.
    wait_until(
        lambda: (
            (tmp_path / "flows.py").write_text(GOOD_APP)
            and service.pids().isdisjoint(before)
        ),
        timeout=60,
    )
