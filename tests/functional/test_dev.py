"""``wfworker dev``: one terminal that runs, one that publishes, and an editor."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import wait_until
from tests.service import Service
from workflow_worker.settings import table

SHOP = """
from pathlib import Path
from workflow_worker import App, Context, Event

app = App("shop")


@app.workflow(on="order.placed")
def fulfil(ctx: Context, event: Event) -> None:
    Path("done").joinpath(event.key).write_text("{version}")
"""
BROKEN = "def fulfil(:\n"


class Terminal(Service):
    """``wfworker dev`` in a folder, as the foreground job of a terminal."""

    def __init__(self, folder: Path) -> None:
        super().__init__("", folder, app="shop:app", cwd=folder)
        for name in {row.env for row in table()} - {"WORKFLOW_APP", "HTTP_PORT"}:
            self.env.pop(name, None)
        (folder / "done").mkdir()

    def launch(self, *flags: str) -> Terminal:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workflow_worker", "dev", *flags],
                cwd=self.cwd,
                env=self.env,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        return self

    def until_executing(self) -> None:
        wait_until(lambda: self.health().get("status") == "healthy", what="healthy")
        self.remember()

    def until_watching(self) -> None:
        """Change a file until it is noticed: nothing else shows that it watches."""
        idle = self.folder / "idle.py"
        wait_until(lambda: idle.write_text("") or "idle.py changed" in self.log())

    def url(self) -> str:
        """What the log tells a second terminal."""
        found = wait_until(
            lambda: re.search(r"embedded server .*(unix://\S+)", self.log())
        )
        return found[1]

    def publish(self, key: str, **environment: str) -> str:
        """Publish from a second terminal; returns what it printed."""
        event = ("order.placed", '{"order_id": "o-1"}', "--key", key, "--id", key)
        done = subprocess.run(
            [sys.executable, "-m", "workflow_worker", "publish", *event],
            cwd=self.cwd,
            env=self.env | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def done_by(self, key: str) -> str:
        """Publish, and return the version of the code that executed it."""
        self.publish(key, REDIS_URL=self.url())
        mark = self.folder / "done" / key
        return wait_until(lambda: mark.exists() and mark.read_text())

    def save(self, code: str) -> None:
        (self.folder / "shop.py").write_text(code)

    def ctrl_c(self) -> None:
        """Interrupt the whole foreground group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path) as running:
        running.save(SHOP.format(version="one"))
        yield running.launch()


def test_an_event_of_a_second_terminal_is_executed(terminal: Terminal) -> None:
    assert terminal.publish("o-1", REDIS_URL=terminal.url()) == "o-1\n"
    wait_until((terminal.folder / "done" / "o-1").exists)


def test_debug_logs_tell_of_the_event(terminal: Terminal) -> None:
    terminal.done_by("o-1")
    wait_until(lambda: re.search(r"debug.*0-o-1\.fulfil", terminal.log(), re.I))


def test_saved_code_runs_by_itself(terminal: Terminal) -> None:
    terminal.until_executing()
    terminal.until_watching()
    terminal.save(SHOP.format(version="two"))
    keys = iter(range(1000))
    wait_until(lambda: terminal.done_by(f"o-{next(keys)}") == "two", 60)


def test_code_that_does_not_compile_shows_and_the_old_code_goes_on(
    terminal: Terminal,
) -> None:
    terminal.until_executing()
    terminal.until_watching()
    terminal.save(BROKEN)
    wait_until(lambda: "SyntaxError" in terminal.log())
    wait_until(lambda: "not reloaded" in terminal.log())
    assert terminal.done_by("o-1") == "one"
    assert terminal.health()["status"] == "healthy"
    terminal.save(SHOP.format(version="two"))
    keys = iter(range(2, 1000))
    wait_until(lambda: terminal.done_by(f"o-{next(keys)}") == "two", 60)


def test_a_start_with_broken_code_waits_for_the_fix(tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal:
        terminal.save(BROKEN)
        terminal.launch()
        wait_until(lambda: "SyntaxError" in terminal.log())
        terminal.until_watching()
        terminal.save(SHOP.format(version="fixed"))
        assert terminal.done_by("o-1") == "fixed"


def test_ctrl_c_ends_it_and_leaves_no_process(terminal: Terminal) -> None:
    terminal.until_executing()
    socket = Path(terminal.url().removeprefix("unix://"))
    names = " ".join(process.name() for process in terminal.family)
    assert "valkey-server" in names
    terminal.ctrl_c()
    assert terminal.process.wait(30) == 0
    wait_until(lambda: not any(map(alive, terminal.family)), what="all are gone")
    assert not socket.parent.exists()


def test_ctrl_c_while_the_code_is_broken_ends_it_as_well(tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal:
        terminal.save(BROKEN)
        terminal.launch()
        wait_until(lambda: "SyntaxError" in terminal.log())
        terminal.remember()
        terminal.ctrl_c()
        assert terminal.process.wait(30) == 0
        wait_until(lambda: not any(map(alive, terminal.family)), what="all are gone")


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
