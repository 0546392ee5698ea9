"""``start --preload``: the App is imported once, and what cannot be passed on."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service

SHOP = """
import gc, os, threading
from pathlib import Path
from prometheus_client import Counter
from workflow_worker import App, Context, Event

app = App("shop")
looks = Counter("looks", "a metric of the user's own")
with Path("imports").open("a") as file:
    file.write(f"{os.getpid()}\\n")


@app.workflow(on="look")
def look(ctx: Context, event: Event) -> dict[str, object]:
    looks.inc()
    return {
        "pid": os.getpid(),
        "collects": gc.isenabled(),
        "frozen": gc.get_freeze_count() > 10_000,
    }
"""
THREADED = """
threading.Thread(target=threading.Event().wait, name="poller", daemon=True).start()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def importers(folder: Path) -> set[int]:
    return set(map(int, (folder / "imports").read_text().split()))


def test_workers_run_what_the_master_imported_and_collect_only_their_own_garbage(
    folder: Path, db: redis.Redis, valkey: Server
) -> None:
    with Service(valkey.url, folder, app="shop:app", cwd=folder) as service:
        service.start("--preload")
        with service.client() as client:
            seen = client.publish("look", wait=True, timeout=60)
        workers = set(service.ready_pids())
        assert seen["pid"] in workers
        assert (seen["collects"], seen["frozen"]) == (True, True)
        assert service.process.pid in importers(folder)
        assert not workers & importers(folder)
        assert service.stop() == 0


def test_metrics_that_were_declared_in_the_master_count_in_the_workers(
    folder: Path, db: redis.Redis, valkey: Server
) -> None:
    with Service(valkey.url, folder, app="shop:app", cwd=folder) as service:
        service.start("--preload")
        with service.client() as client:
            for _ in range(3):
                client.publish("look", wait=True, timeout=60)
        url = f"http://127.0.0.1:{service.http_port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as answer:
            lines = answer.read().decode().splitlines()
    assert [line for line in lines if line.startswith("looks_total")] == [
        "looks_total 3.0"
    ]


def test_a_reload_of_preloaded_code_brings_settings_and_says_that_it_is_all(
    folder: Path, db: redis.Redis, valkey: Server
) -> None:
    with Service(valkey.url, folder, app="shop:app", cwd=folder) as service:
        service.env.pop("WORKER_COUNT")
        (folder / ".env").write_text("WORKER_COUNT=1\n")
        service.launch("--preload").until_ready(1)
        before = set(service.ready_pids())
        imported = importers(folder)
        (folder / ".env").write_text("WORKER_COUNT=2\n")
        service.signal(signal.SIGHUP)
        wait_until(
            lambda: (
                len(service.ready_pids()) == 2
                and not before & set(service.ready_pids())
            ),
            what="two new workers",
        )
        service.remember()
        assert "preloaded code needs a restart" in service.log()
        assert importers(folder) == imported


def test_an_app_whose_import_starts_a_thread_is_refused(
    folder: Path, valkey: Server
) -> None:
    (folder / "shop.py").write_text(SHOP + THREADED)
    with Service(valkey.url, folder, app="shop:app", cwd=folder) as service:
        said = refused(service, "--preload")
    assert said.count("\n") == 1
    assert "importing shop:app started 1 thread (poller)" in said
    assert "@app.on_worker_start" in said


def test_preloading_and_following_changes_exclude_each_other(
    folder: Path, valkey: Server
) -> None:
    with Service(valkey.url, folder, app="shop:app", cwd=folder) as service:
        said = refused(service, "--preload", "--reload")
    assert "--preload and --reload exclude each other" in said
    assert said.count("\n") == 1


def refused(service: Service, *flags: str) -> str:
    """Start it in vain; returns what it said."""
    service.launch(*flags)
    assert service.process.wait(30) == 2
    return service.log()
