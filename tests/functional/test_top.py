"""``wfworker top`` in a terminal: what it shows, and that it leaves it as it was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional import terminal
from tests.functional.terminal import Terminal
from tests.servers import Server, wait_until
from tests.service import Service
from tests.unit.cli.commands import closed

TOP = 'exec "$1" -m workflow_worker top --interval 0.2 --redis-url "$2"'
JOB = """set -m; "$1" -m workflow_worker top --interval 0.2 --redis-url "$2"
echo stopped; stty -a; fg; exit $?"""


@pytest.fixture(scope="module")
def service(
    valkey: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service in which an action is busy."""
    with valkey.client() as client:
        client.flushall()
    folder = tmp_path_factory.mktemp("top")
    with Service(valkey.url, folder, "tests.apps.durable:app") as running:
        running.start()
        with running.client() as client:
            client.publish("steps", key="k")
            wait_until(
                lambda: (
                    [
                        each.action
                        for instance in client.fleet().instances
                        for worker in instance.workers
                        for each in worker.running
                    ]
                    == ["through_gate"]
                )
            )
        yield running


def top(url: str, line: str = TOP, **env: str) -> Terminal:
    return Terminal(line, sys.executable, url, env=env)


def left_as_it_was(screen: Terminal) -> bool:
    """Whether the screen, the cursor and the modes are back."""
    shown = screen.shown
    back = shown.rfind(terminal.FIRST_SCREEN) > shown.rfind(terminal.OTHER_SCREEN) >= 0
    visible = shown.rfind(terminal.VISIBLE) > shown.rfind(terminal.HIDDEN)
    return back and visible and screen.modes() == screen.modes_before


def test_q_ends_it_and_leaves_the_terminal_as_it_was(service: Service) -> None:
    with top(service.redis_url) as screen:
        screen.until("through_gate")
        assert screen.modes() != screen.modes_before
        found = terminal.lines(screen.shown)
        assert any(line.startswith("1 instance: 1 healthy") for line in found)
        assert max(map(len, found)) == 80
        assert terminal.coloured(screen.shown)
        screen.press(b"xq")
        assert screen.ended() == 0
        assert left_as_it_was(screen)


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_a_signal_ends_it_in_the_same_way(service: Service, how: str) -> None:
    with top(service.redis_url, NO_COLOR="1") as screen:
        screen.until("through_gate")
        if how == "interrupt":
            screen.press(b"\x03")
        else:
            screen.process.send_signal(signal.SIGTERM)
        assert screen.ended() == 0
        assert left_as_it_was(screen)
        assert not terminal.coloured(screen.shown)


def test_a_frame_follows_the_size_of_the_terminal(service: Service) -> None:
    with top(service.redis_url, TOP.replace("0.2", "600")) as screen:
        screen.until("through_gate")
        screen.again()
        screen.resize(50, 12)

        def fits() -> bool:
            frames = screen.read().split("\x1b[H")[1:]
            return any(
                len(found) == 12 and {len(line) for line in found} == {50}
                for found in map(terminal.lines, frames)
            )

        wait_until(fits, what="a frame of 50 by 12")


def test_it_can_be_stopped_for_a_while(service: Service) -> None:
    with top(service.redis_url, JOB) as screen:
        screen.until("through_gate")
        screen.press(b"\x1a")
        screen.until("stopped")
        before, _, after = screen.shown.partition("stopped")
        assert before.rfind(terminal.FIRST_SCREEN) > before.rfind(terminal.OTHER_SCREEN)
        screen.until(" icanon")
        wait_until(lambda: screen.read().count(terminal.OTHER_SCREEN) == 2, what=after)
        screen.press(b"q")
        assert screen.ended() == 0
        assert left_as_it_was(screen)


def test_a_terminal_that_can_do_nothing_gets_one_look_below_the_other(
    service: Service,
) -> None:
    with top(service.redis_url, TERM="dumb") as screen:
        wait_until(lambda: screen.read().count("through_gate") > 1)
        screen.press(b"\x03")
        assert screen.ended() == 0
        assert "\x1b" not in screen.shown


def test_redis_away_is_shown_and_not_the_end() -> None:
    with top(f"redis://127.0.0.1:{closed()}/0") as screen:
        wait_until(lambda: screen.read().count("Redis can't be reached") > 1)
        assert "not seen yet" in screen.shown
        screen.press(b"q")
        assert screen.ended() == 0
        assert left_as_it_was(screen)


def test_a_program_gets_one_object_a_line(service: Service, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "workflow_worker", "top", "--json"),
            *("--count", "2", "--interval", "0.1", "--redis-url", service.redis_url),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert [look["pending"] for look in looks] == [1, 1]
    assert done.stderr == ""
