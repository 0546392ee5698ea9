"""The embedded server: real, gone with whoever started it, its data kept if asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from tests.servers import wait_until
from workflow_worker.embedded import EmbeddedServer
from workflow_worker.errors import Unavailable

HOLD = """
import sys
from workflow_worker import log
from workflow_worker.embedded import EmbeddedServer
log.configure("info", "text", role="master")
with EmbeddedServer() as server:
    print(server.pid, server.url, flush=True)
    sys.stdin.read()
"""


def gone(pid: int) -> bool:
    """Ended, even where nobody reaps what has no parent any more."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def hold() -> tuple[subprocess.Popen[str], int, Path]:
    """Start a program that holds a server; returns it, the server's pid, its folder."""
    program = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    pid, url = program.stdout.readline().split()
    return program, int(pid), Path(url.removeprefix("unix://")).parent


def test_it_answers_and_keeps_events_safe() -> None:
    with EmbeddedServer() as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()
        wanted = {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        assert client.config_get(*wanted) == wanted
        assert client.info()["process_id"] == server.pid


def test_its_keeper_does_not_pass_for_the_program_that_started_it() -> None:
    with EmbeddedServer() as server:
        keeper = psutil.Process(server.pid).parent()
        assert keeper is not None
        title = "wfworker: embedded server's keeper"
        wait_until(lambda: " ".join(keeper.cmdline()).rstrip() == title)


def test_it_leaves_nothing_behind() -> None:
    with EmbeddedServer() as server:
        folder = Path(server.url.removeprefix("unix://")).parent
        assert folder.is_dir()
    assert not folder.exists()
    assert gone(server.pid)


def test_data_in_a_named_folder_is_there_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with EmbeddedServer(data) as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", 1)
    with EmbeddedServer(data) as server, redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"1"


def test_nobody_else_may_connect() -> None:
    with EmbeddedServer() as server:
        path = Path(server.url.removeprefix("unix://"))
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


def test_it_dies_with_a_killed_program() -> None:
    program, pid, folder = hold()
    program.kill()
    program.communicate()
    wait_until(lambda: gone(pid), what="the server is gone")
    wait_until(lambda: not folder.exists(), what="its folder is gone")


def test_an_interrupt_at_the_terminal_does_not_reach_it() -> None:
    program, pid, _ = hold()
    try:
        assert os.getpgid(pid) != os.getpgid(program.pid)
        assert os.getsid(pid) != os.getsid(program.pid)
    finally:
        program.communicate("")
    assert program.returncode == 0


def test_its_own_death_is_noted_in_the_log() -> None:
    program, pid, _ = hold()
    os.kill(pid, signal.SIGKILL)
    assert program.stderr is not None
    said = program.stderr.readline()
    program.communicate("")
    assert "the embedded server ended by itself (status -9)" in said


def test_an_orderly_end_is_not_worth_a_line() -> None:
    program, _, _ = hold()
    assert program.communicate("")[1] == ""


def test_data_it_cannot_read_end_the_start_with_a_reason(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path):
        pass
    for file in (tmp_path / "appendonlydir").iterdir():
        file.write_bytes(b"garbage")
    with pytest.raises(Unavailable, match=r"did not start: .*server\.log"):
        EmbeddedServer(tmp_path).__enter__()
