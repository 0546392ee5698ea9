"""What a service manager hears: real datagrams on a socket of the test's own."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflow_worker.clock import monotonic
from workflow_worker.supervisor.notify import Notifier, from_environment


class Manager:
    """The receiving end, bound to an address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(address.replace("@", "\0", 1))

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = f"@wfworker-test-{os.getpid()}"
    path = str(tmp_path / "notify")
    running = Manager(path if request.param == "path" else abstract)
    with running.socket:
        yield running


def test_each_state_is_told_in_the_words_of_the_protocol(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.started()
    before = int(monotonic() * 1e6)
    notifier.reloading()
    after = int(monotonic() * 1e6)
    notifier.reloaded()
    notifier.stopping()
    ready, reloading, reloaded, stopping = manager.heard()
    assert (ready, reloaded, stopping) == ("READY=1", "READY=1", "STOPPING=1")
    word, usec = reloading.split("\nMONOTONIC_USEC=")
    assert word == "RELOADING=1"
    assert before - 1 <= int(usec) <= after + 1


def test_up_is_said_once(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.started()
    notifier.started()
    assert manager.heard() == ["READY=1"]
    assert not notifier.waiting


def test_the_end_of_a_reload_before_all_are_ready_is_not_called_ready(
    manager: Manager,
) -> None:
    notifier = Notifier(manager.address)
    notifier.reloaded()
    assert manager.heard() == []


def test_a_status_is_one_line_and_told_when_it_changes(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    for text in ("healthy: 2 workers", "healthy: 2 workers", "unhealthy:\nREADY=1"):
        notifier.status(text)
    expected = ["STATUS=healthy: 2 workers", "STATUS=unhealthy: READY=1"]
    assert manager.heard() == expected


def test_a_status_is_no_longer_than_a_manager_takes(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.status("\N{SNOWMAN}" * 5000)
    [status] = manager.heard()
    assert 1000 < len(status.encode()) < 4096


def test_a_sign_of_life_comes_twice_in_the_watchdogs_time(manager: Manager) -> None:
    notifier = Notifier(manager.address, watchdog=30.0)
    for now in (100.0, 114.9, 115.0, 129.0, 131.0):
        notifier.beat(now)
    assert manager.heard() == ["WATCHDOG=1"] * 3
    assert notifier.due_at == 146.0


def test_without_a_watchdog_there_is_no_sign_of_life(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    notifier.beat(1e9)
    assert manager.heard() == []
    assert notifier.due_at == math.inf


def test_what_a_busy_manager_had_no_room_for_is_told_later(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    statuses = [f"status {number}" for number in range(5000)]
    for text in statuses:  # more than a datagram socket holds
        notifier.status(text)
    notifier.started()
    first = manager.heard()
    assert 0 < len(first) < len(statuses)
    assert "READY=1" not in first
    notifier.beat(notifier.due_at)
    assert manager.heard() == ["STATUS=status 4999", "READY=1"]
    assert notifier.due_at > 1e12


def test_a_manager_that_is_gone_fails_nobody(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "nobody"), watchdog=1.0)
    notifier.started()
    notifier.status("healthy")
    notifier.beat(100.0)
    notifier.stopping()
    assert notifier.due_at == 100.5


def test_children_inherit_nothing_to_speak_with(manager: Manager) -> None:
    environ = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "4000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    notifier = from_environment(environ)
    assert environ == {"HOME": "/"}
    notifier.beat(10.0)
    assert manager.heard() == ["WATCHDOG=1"]
    assert notifier.due_at == 12.0


@pytest.mark.parametrize("found", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_a_watchdog_for_another_process_or_of_no_time_is_none(
    found: dict[str, str], manager: Manager
) -> None:
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "4000000", **found}
    assert from_environment(environ).due_at == math.inf


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_manager_nothing_is_said(environ: dict[str, str]) -> None:
    notifier = from_environment(environ)
    notifier.started()
    notifier.status("healthy")
    assert not notifier.waiting
    assert environ == {}
