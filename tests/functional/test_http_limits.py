"""Clients that are slow, many or greedy, and a Redis that hangs: probes get through."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers import Server as Redis
from tests.servers import wait_until
from workflow_worker.board import Board
from workflow_worker.clock import monotonic
from workflow_worker.monitor.connections import Limits
from workflow_worker.monitor.http import OF_WAITRESS, THREADS, Server
from workflow_worker.monitor.server import make_app
from workflow_worker.settings import Settings
from workflow_worker.threads import BROKEN

NOWHERE = "redis://127.0.0.1:1/0"
BEGUN = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
METRICS = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
AT_ONCE = 1.0
"""Seconds within which a probe has to be answered; Kubernetes waits no longer."""


class Served:
    """The real server around the real application, on a board of the test's own."""

    def __init__(self, limits: Limits | None = None, redis_url: str = NOWHERE) -> None:
        board = Board.create(1, 1)
        board.beat()
        settings = dataclasses.replace(Settings(worker_count=1), redis_url=redis_url)
        app = make_app(settings, board, monotonic, lambda: b"m" * 2_000_000)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        # Else the kernel would hold a whole answer, and the server be done with it.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.port: int = self.listener.getsockname()[1]
        self.server = Server(app, self.listener, limits)
        self.clients: list[socket.socket] = []

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        self.server.close()
        self.listener.close()

    def get(self, path: str, timeout: float = 20) -> int:
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def connect(self, first: bytes) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.sendall(first)
        self.clients.append(client)
        return client

    def connections(self) -> int:
        """How many the server has; a client that reads nothing can't see its end."""
        assert self.server._server
        return len(self.server._server.active_channels)

    def resting(self) -> int:
        assert self.server._server
        channels = [*self.server._server.active_channels.values()]
        return sum(channel.rests(monotonic()) for channel in channels)

    def left(self, clients: list[socket.socket]) -> int:
        """How many of them the server still has."""
        return sum(not closed(client) for client in clients)


def closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return not client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@contextlib.contextmanager
def dripping(clients: list[socket.socket], every: float = 0.05) -> Iterator[None]:
    """Send one octet on each of them, again and again."""
    over = threading.Event()

    def drip() -> None:
        while not over.wait(every):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_two_hundred_that_never_end_their_requests_stop_no_probe() -> None:
    with Served() as served:
        slow = [served.connect(BEGUN) for _ in range(200)]
        with dripping(slow):
            answers = [served.get("/livez", AT_ONCE) for _ in range(20)]
        assert answers == [200] * 20
        assert served.left(slow) == 200


def test_at_the_limit_who_kept_a_place_longest_leaves_and_a_probe_gets_in() -> None:
    with Served(Limits(connections=20)) as served:
        slow = [served.connect(BEGUN) for _ in range(20)]
        late = [served.connect(BEGUN) for _ in range(15)]
        assert served.get("/livez", AT_ONCE) == 200
        wait_until(lambda: served.left(slow) == 4, what="room was made")
        assert served.left(late) == 15


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(BEGUN, id="header"),
        pytest.param(
            b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n",
            id="body",
        ),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_request_has_to_come_whole_in_its_time(begun: bytes) -> None:
    with Served(Limits(ask=0.5, look=0.1)) as served:
        slow = [served.connect(begun)]
        with dripping(slow if begun else []):
            wait_until(lambda: served.left(slow) == 0, what="it was closed")


def test_a_client_that_reads_nothing_holds_no_thread_for_long() -> None:
    with Served(Limits(read_on=0.5, look=0.1)) as served:
        for _ in range(THREADS + 1):
            served.connect(METRICS * 20)
        wait_until(lambda: served.connections() > 0, what="they are in")
        wait_until(lambda: served.connections() == 0, what="they were closed")
        assert served.get("/livez", AT_ONCE) == 200


def test_who_reads_slowly_gets_all_of_it() -> None:
    with Served(Limits(ask=0.2, read_on=5, look=0.1)) as served:
        client = served.connect(b"")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(METRICS)
        got = 0
        while got < 2_000_000:
            part = len(client.recv(100_000))
            assert part, f"cut off after {got} octets"
            got += part
            time.sleep(0.02)  # the slow reader itself: nothing is waited for


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * OF_WAITRESS["max_request_header_size"], 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: \x01\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
            b"\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n",
            400,
            id="smuggled",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_like_everything_else(
    sent: bytes, status: int
) -> None:
    with Served() as served:
        answer = everything(served.connect(sent))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f" {status} ".encode() in head.splitlines()[0]
    assert b"Content-Type: application/json" in head
    assert b"X-Content-Type-Options: nosniff" in head
    assert body.startswith(b'{"error": ')
    assert b"HTTP/1" not in body


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET a://" + b"1" * 12_000 + b" HTTP/BAD", id="address"),
        pytest.param(b"GET / HTTP/1.1\r\nX:" + b" " * 32_000 + b"\0", id="spaces"),
    ],
)
def test_no_head_takes_long_to_be_read(head: bytes) -> None:
    with Served() as served:
        evil = served.connect(head + b"\r\n\r\n")
        assert served.get("/livez", AT_ONCE) == 200
        answer = everything(evil)
    assert b" 400 " in answer
    assert b"Start line" in answer or b"Control character" in answer


def test_at_the_end_who_rests_leaves_and_each_answer_is_the_last() -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Served() as served, ThreadPoolExecutor(1) as beside:
        rests, begins, comes = (served.connect(each) for each in (request, BEGUN, b""))
        got = b""
        while not got.endswith(b"}\n"):
            got += rests.recv(65536)
        wait_until(lambda: served.connections() == 3, what="they are in")
        wait_until(lambda: served.resting() == 1, what="one rests")
        ending = beside.submit(served.server.close)
        assert everything(rests) == b""
        for late, rest in ((begins, b"\r\n\r\n"), (comes, request)):
            late.sendall(rest)
            answer = everything(late)
            assert b"Connection: close" in answer
            assert answer.endswith(b'{"status":"live"}\n')
        ending.result()


def everything(client: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_a_redis_that_hangs_stops_no_probe(own_server: Redis) -> None:
    with (
        Served(redis_url=own_server.url) as served,
        ThreadPoolExecutor(50) as many,
        stopped(own_server) as go_on,
    ):
        asked = [many.submit(served.get, "/api/executions") for _ in range(50)]
        paths = ("/livez", "/api/health/worker", "/metrics")
        answers = [served.get(path, AT_ONCE) for path in paths * 5]
        assert answers == [200, 503, 200] * 5
        assert {each.result() for each in asked} == {503}
        go_on()
        wait_until(lambda: served.get("/api/executions") == 200, what="Redis is back")


@contextlib.contextmanager
def stopped(server: Redis) -> Iterator[Callable[[], None]]:
    assert server.process is not None
    pid = server.process
    pid.send_signal(signal.SIGSTOP)
    try:
        yield lambda: pid.send_signal(signal.SIGCONT)
    finally:
        pid.send_signal(signal.SIGCONT)


BROKEN_LOOP = """
import socket, time
from flask import Flask
from workflow_worker.monitor import http

class Broken(http.Connections):
    def maintenance(self, now):
        raise OSError("no descriptor is left")

http.Connections = Broken
http.Server(Flask("x"), socket.create_server(("127.0.0.1", 0)))
time.sleep(60)
"""


def test_a_loop_that_breaks_ends_its_process_for_another_to_serve() -> None:
    command = [sys.executable, "-c", BROKEN_LOOP]
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert (done.returncode, b"thread http died" in done.stderr) == (BROKEN, True)
