"""Each fault of a campaign does what it says, to a real server or a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.chaos.campaign.disks import Disk
from tests.chaos.campaign.faults import FAULTS
from tests.chaos.campaign.faults.clocks import library, off_by
from tests.chaos.campaign.hosts import HostedServer, Hosts, can_make_hosts
from tests.chaos.campaign.proxy import Proxy
from tests.chaos.struck import Struck, client_of, said
from tests.servers import Server, binaries, server, wait_until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server("valkey-9", tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture(scope="module")
def standing(running: Server) -> Iterator[Proxy]:
    with Proxy(running.port) as one:
        yield one


@pytest.fixture
def proxy(running: Server, standing: Proxy) -> Iterator[Proxy]:
    """One that passes everything on, to an empty database."""
    with running.client() as client:
        client.flushall()
    yield standing
    standing.heal()
    standing.cut()


WRITE = "redis.call('SET', 'written', ARGV[1]); return 'done'"


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        ("oom", "command not allowed when used memory > 'maxmemory'"),
        ("readonly", "read only replica"),
        ("misconf", "MISCONF"),
        ("busy", "BUSY"),
        ("full-house", "max number of clients reached"),
        ("loading", "loading the dataset"),
        ("clusterdown", "The cluster is down"),
    ],
)
def test_a_server_that_cannot_serve_says_so_until_it_is_healed(
    running: Server, proxy: Proxy, fault: str, refusal: str
) -> None:
    struck = Struck(running, proxy=proxy)
    with client_of(proxy.url) as client:
        client.set("a", "b")
        heal = struck.strike(fault)
        wait_until(
            lambda: refusal in said(lambda: client.eval(WRITE, 0, "1")),
            what=said(lambda: client.eval(WRITE, 0, "1")),
        )
        heal()
        wait_until(lambda: said(lambda: client.eval(WRITE, 0, "2")) == "done")
    assert [line["phase"] for line in struck.noted.lines] == ["strike", "heal"]


def test_a_refusal_that_comes_now_and_then_stands_for_the_command_it_refused(
    running: Server, proxy: Proxy
) -> None:
    with client_of(proxy.url) as client:
        proxy.answer("TRYAGAIN later", ["INCRBY"], every=2)
        answers = [said(lambda: client.incr("n")) for _ in range(4)]
    assert answers == ["1", "TryAgainError later", "2", "TryAgainError later"]


def test_a_flushed_script_is_unknown(running: Server) -> None:
    with client_of(running.url) as client:
        loaded = client.script_load("return 1")
        Struck(running).strike("script-flush")()
        assert "NoScriptError" in said(lambda: client.evalsha(loaded, 0))


@pytest.mark.parametrize(
    ("fault", "carried_out"), [("swallow", True), ("truncate", True), ("tear", False)]
)
def test_a_link_breaks_before_or_after_the_command_is_carried_out(
    running: Server, proxy: Proxy, fault: str, *, carried_out: bool
) -> None:
    with client_of(proxy.url) as client:
        client.set("a", "before")
        heal = Struck(running, proxy=proxy).strike(fault)
        assert "ConnectionError" in said(lambda: client.set("a", "after"))
        heal()
        assert client.get("a") == ("after" if carried_out else "before")


def test_a_cut_breaks_links_and_they_can_be_made_again(
    running: Server, proxy: Proxy
) -> None:
    with client_of(proxy.url) as client:
        # Only a link that is open can be cut.
        client.ping()
        broken = proxy.counts()["broken"]
        Struck(running, proxy=proxy).strike("cut")()
        wait_until(lambda: proxy.counts()["broken"] > broken)
        wait_until(lambda: said(client.ping) == "True")


def test_who_is_cut_off_can_make_no_link_until_that_is_healed(
    running: Server, proxy: Proxy
) -> None:
    with client_of(proxy.url) as client:
        heal = Struck(running, proxy=proxy).strike("cut-off")
        assert "ConnectionError" in said(client.ping)
        heal()
        assert said(client.ping) == "True"


def test_half_open_links_pass_on_later_what_was_held_back(
    running: Server, proxy: Proxy
) -> None:
    with client_of(proxy.url) as client:
        client.set("a", "before")
        heal = Struck(running, proxy=proxy).strike("half-open")
        assert "TimeoutError" in said(lambda: client.set("a", "after"))
        with client_of(running.url) as direct:
            assert direct.get("a") == "before"
            heal()
            wait_until(lambda: direct.get("a") == "after")


def test_stranded_links_stay_silent_and_new_ones_pass_on(
    running: Server, proxy: Proxy
) -> None:
    with client_of(proxy.url) as client:
        client.ping()
        Struck(running, proxy=proxy).strike("strand")()
        assert "TimeoutError" in said(client.ping)
        assert said(client.ping) == "True"


def test_a_delay_holds_back_both_ways(running: Server, proxy: Proxy) -> None:
    with client_of(proxy.url, socket_timeout=0.2) as client:
        client.ping()
        proxy.delay(0.3)
        assert "TimeoutError" in said(client.ping)
        proxy.heal()
        assert said(client.ping) == "True"


@pytest.mark.parametrize("fault", ["kill-server", "restart-server", "slow-load"])
def test_a_server_that_syncs_always_is_back_with_all_it_was_told(
    tmp_path: Path, fault: str
) -> None:
    with server("valkey-9", tmp_path, "--appendfsync", "always") as own:
        with own.client() as client:
            client.set("a", "b")
        struck = Struck(own)
        heal = struck.strike(fault)
        assert not own.answers()
        heal()
        with own.client() as client:
            assert client.get("a") == b"b"
    assert struck.noted.lines[0].get("since") is None


def test_a_stopped_server_answers_nobody_until_it_goes_on(running: Server) -> None:
    heal = Struck(running).strike("stop-server")
    assert not running.answers()
    heal()
    assert running.answers()


@pytest.mark.parametrize("name", sorted(binaries()))
def test_a_lost_tail_is_what_was_told_since_the_moment_in_the_journal(
    tmp_path: Path, name: str
) -> None:
    with server(name, tmp_path, "--appendfsync", "everysec") as own:
        with own.client() as client:
            client.set("before", 1)
            wait_until(lambda: client.info("persistence")["aof_buffer_length"] == 0)
        struck = Struck(own)
        told: list[float] = []

        class Telling(Random):
            """Writes while the time passes that will be lost."""

            def uniform(self, least: float, most: float) -> float:
                if not told:
                    told.append(time.monotonic())
                    with own.client() as client:
                        client.set("after", 1)
                return least

        heal = FAULTS["lose-tail"].strike(struck, Telling(7), struck.noted)
        assert heal is not None
        heal()
        with own.client() as client:
            assert (client.get("before"), client.get("after")) == (b"1", None)
    assert struck.noted.lines[0]["since"] < told[0]


needs_faketime = pytest.mark.skipif(
    library() is None and "CI" not in os.environ, reason="libfaketime is missing"
)


@needs_faketime
def test_a_wrong_clock_is_that_of_one_process_and_lets_it_sleep() -> None:
    asked = "import time; time.sleep(0.01); print(time.time(), time.monotonic())"
    before = time.time() - 5 * 3600, time.monotonic()
    answer = subprocess.check_output(
        [sys.executable, "-c", asked], env=os.environ | off_by(-5), timeout=20
    )
    after = time.time() - 5 * 3600, time.monotonic()
    said = map(float, answer.split())
    for early, then, late in zip(before, said, after, strict=True):
        assert early < then < late


@needs_faketime
def test_a_server_with_a_wrong_clock_serves(tmp_path: Path) -> None:
    own = Server(binaries()["valkey-9"], tmp_path, **off_by(3))
    own.start()
    try:
        with own.client() as client:
            assert client.time()[0] > time.time() + 2 * 3600
    finally:
        own.stop(signal.SIGKILL)


needs_root = pytest.mark.skipif(
    not can_make_hosts(), reason="namespaces need root and the command ip"
)


@needs_root
def test_a_pulled_cable_and_deaf_ears_end_with_their_heal(tmp_path: Path) -> None:
    with Hosts("east") as hosts:
        own = HostedServer(hosts, tmp_path)
        own.start()
        try:
            url = own.url_from("east")
            with hosts.inside("east", lambda: client_of(url)) as client:
                ask = lambda: hosts.inside("east", lambda: said(client.ping))  # noqa: E731 - as short as a name for it
                for fault in ("unplug", "deafen"):
                    assert ask() == "True"
                    heal = Struck(own, hosts=hosts).strike(fault)
                    assert "TimeoutError" in ask()
                    heal()
                    wait_until(lambda: ask() == "True")
        finally:
            own.stop(signal.SIGKILL)


@needs_root
def test_a_full_disk_takes_nothing_until_it_is_freed(
    tmp_path: Path, running: Server
) -> None:
    with Disk(tmp_path, 1 << 20) as disk:
        heal = Struck(running, disk=disk).strike("full-log")
        with pytest.raises(OSError, match="No space left"):
            (disk.path / "log").write_bytes(b"x" * 10_000)
        heal()
        (disk.path / "log").write_bytes(b"x" * 10_000)
    assert not list(tmp_path.iterdir())


TELLS = """
import signal, sys
for name in ("HUP", "TTIN", "TTOU", "USR1"):
    signal.signal(getattr(signal, "SIG" + name), lambda number, _: print(
        signal.Signals(number).name, flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """One that tells which signals it was sent."""
    command = [sys.executable, "-c", TELLS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as telling:
        assert telling.stdout is not None
        assert telling.stdout.readline() == "ready\n"
        yield telling
        telling.kill()


@pytest.mark.parametrize(
    ("fault", "begin", "end"),
    [("ttin", "SIGTTIN", "SIGTTOU"), ("ttou", "SIGTTOU", "SIGTTIN")],
)
def test_more_and_fewer_workers_are_undone(
    running: Server, process: subprocess.Popen[str], fault: str, begin: str, end: str
) -> None:
    assert process.stdout is not None
    heal = Struck(running, master=process.pid, workers=[1, 2]).strike(fault)
    assert process.stdout.readline() == begin + "\n"
    heal()
    assert process.stdout.readline() == end + "\n"


def test_a_stopped_worker_goes_on_and_a_killed_one_is_gone(
    running: Server, process: subprocess.Popen[str]
) -> None:
    struck = Struck(running, workers=[process.pid])
    state = psutil.Process(process.pid).status
    heal = struck.strike("stop-worker")
    wait_until(lambda: state() == psutil.STATUS_STOPPED)
    heal()
    wait_until(lambda: state() != psutil.STATUS_STOPPED)
    struck.strike("kill-worker")
    assert process.wait(10) == -signal.SIGKILL
    assert {tuple(line["pids"]) for line in struck.noted.lines} == {(process.pid,)}


def test_two_faults_at_once_both_strike_and_are_both_healed(
    running: Server, process: subprocess.Popen[str]
) -> None:
    struck = Struck(running, workers=[process.pid])
    heal = struck.strike("stop-server+kill-worker")
    assert process.wait(10) == -signal.SIGKILL
    assert not running.answers()
    heal()
    assert running.answers()
    names = [(line["fault"], line["phase"]) for line in struck.noted.lines]
    assert sorted(names) == sorted(
        (fault, phase)
        for fault in ("stop-server", "kill-worker")
        for phase in ("strike", "heal")
    )
