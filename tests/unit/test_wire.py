"""What goes over a plain socket: answers however they come, and silence."""

from __future__ import annotations

import gc
import socket
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import BusyLoadingError, InvalidResponse, ResponseError
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import TimeoutError as Silent

from workflow_worker.broker.connection import Link
from workflow_worker.broker.wire import Plain
from workflow_worker.errors import OutcomeUnknown

LONG, SHORT = 60.0, 0.01
PIECE = 65_536
"""The most that is read at once."""


class Pair:
    """A wire and what is at its other end."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.far.settimeout(LONG)
        self.wire = Plain(self.near, SHORT)

    def hears(self, said: bytes, seconds: float = LONG) -> Any:
        self.far.sendall(said)
        return self.wire.read(seconds)

    def close(self) -> None:
        self.near.close()
        self.far.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_what_is_sent_arrives(pair: Pair) -> None:
    pair.wire.send(b"*1\r\n$4\r\nPING\r\n")
    assert pair.far.recv(100) == b"*1\r\n$4\r\nPING\r\n"


def test_what_no_buffer_takes_at_once_arrives_whole(pair: Pair) -> None:
    sent = bytes(range(256)) * 400
    heard: list[bytes] = []

    def listen() -> None:
        while sum(map(len, heard)) < len(sent):
            heard.append(pair.far.recv(PIECE))

    pair.wire = Plain(pair.near, LONG)
    listener = threading.Thread(target=listen)
    listener.start()
    pair.wire.send(sent)
    listener.join()
    assert b"".join(heard) == sent


def test_answers_are_bytes_numbers_nothing_and_lists(pair: Pair) -> None:
    assert pair.hears(b"*4\r\n$2\r\n\xff1\r\n:7\r\n$-1\r\n*0\r\n") == [
        b"\xff1",
        7,
        None,
        [],
    ]


def test_answers_that_came_together_are_read_one_by_one(pair: Pair) -> None:
    assert pair.hears(b"+1\r\n+2\r\n") == b"1"
    assert pair.wire.read(SHORT) == b"2"


def test_an_answer_may_come_in_pieces(pair: Pair) -> None:
    with pytest.raises(Silent):
        pair.hears(b"$5\r\nhe", SHORT)
    assert pair.hears(b"llo\r\n") == b"hello"


def test_an_answer_may_be_longer_than_a_read(pair: Pair) -> None:
    long = b"x" * (3 * PIECE)
    sender = threading.Thread(
        target=pair.far.sendall, args=(b"$%d\r\n%b\r\n" % (len(long), long),)
    )
    sender.start()
    assert pair.wire.read(LONG) == long
    sender.join()


def test_an_error_is_raised_as_redis_py_names_it(pair: Pair) -> None:
    with pytest.raises(BusyLoadingError):
        pair.hears(b"-LOADING Redis is loading\r\n")
    with pytest.raises(ResponseError, match="no such"):
        pair.hears(b"-ERR no such\r\n")


def test_an_error_among_others_stands_in_the_list(pair: Pair) -> None:
    one, error = pair.hears(b"*2\r\n:1\r\n-ERR no such\r\n")
    assert one == 1
    assert isinstance(error, ResponseError)


def test_what_is_no_answer_is_an_error(pair: Pair) -> None:
    with pytest.raises(InvalidResponse):
        pair.hears(b"HTTP/1.1 400 Bad Request\r\n")


def test_silence_ends_a_read(pair: Pair) -> None:
    with pytest.raises(Silent):
        pair.wire.read(SHORT)


def test_a_limit_is_that_of_its_own_read(pair: Pair) -> None:
    assert pair.hears(b"+1\r\n", LONG) == b"1"
    with pytest.raises(Silent):
        pair.wire.read(SHORT)
    assert pair.hears(b"+2\r\n", LONG) == b"2"
    with pytest.raises(Silent):
        pair.wire.read(SHORT)


def test_a_limit_that_rounds_to_nothing_is_not_for_ever(pair: Pair) -> None:
    with pytest.raises(Silent):
        pair.wire.read(1e-9)


def test_an_end_that_takes_nothing_ends_a_send(pair: Pair) -> None:
    with pytest.raises(Silent):
        pair.wire.send(b"x" * 10_000_000)


def test_an_end_that_closes_ends_a_read_and_a_send(pair: Pair) -> None:
    pair.far.close()
    with pytest.raises(Lost):
        pair.wire.read(LONG)
    with pytest.raises(ConnectionError):
        pair.wire.send(b"x")


class Deaf:
    """A listener whose queue takes connections, and that never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.link = Link(f"redis://127.0.0.1:{port}/0", timeout=SHORT)

    def open(self) -> weakref.ref[Plain]:
        """Have the link connect; return its wire, as long as anybody has it."""
        over = self.link._connect()
        assert isinstance(over, Plain)
        return weakref.ref(over)

    def close(self) -> None:
        self.link.close()
        self._listener.close()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    made = Deaf()
    yield made
    made.close()


def test_a_link_is_closed_by_an_answer_that_does_not_come(deaf: Deaf) -> None:
    with pytest.raises(OutcomeUnknown):
        deaf.link.call("PING")
    assert not deaf.link.connected


def test_a_link_is_closed_by_what_interrupts_it(
    deaf: Deaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for way in ("send", "read"):
        deaf.open()

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Plain, way, interrupted)
            with pytest.raises(KeyboardInterrupt):
                deaf.link.call("PING")
        assert not deaf.link.connected


def test_a_link_closed_or_forgotten_keeps_no_socket(deaf: Deaf) -> None:
    closed = deaf.open()
    deaf.link.close()
    gc.collect()
    assert closed() is None
    connection = deaf.open(), deaf.link._connection
    deaf.link.forget()
    gc.collect()
    assert connection[0]() is None
    # What a child does not touch is its parent's: here both are one process.
    assert connection[1] is not None
    connection[1].disconnect()
