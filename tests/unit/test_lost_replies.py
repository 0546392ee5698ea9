"""Calls that are made again when their answer is lost: what is said of the first."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from workflow_worker.broker import journal, letters, locking
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.publish import Message, publish
from workflow_worker.errors import OutcomeUnknown, Unavailable
from workflow_worker.model import Task

PARTITION = Partition("t")
OWNER = Owner("a", PARTITION, 1, 1, 1, 1)
TASK = Task("1-0", 1, 1, "0-1-0.w", "w", None)
CLAIM = locking.Claim("stock", "me", 1000)
LOST = b""
FULL = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
ONE = b":1\r\n"
ENTRY = b"*1\r\n$3\r\n5-0\r\n"


class Mortal:
    """A server that gives so many answers, one a connection, and is gone then."""

    def __init__(self, *answers: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answers = answers
        self.asked = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        port = self._listener.getsockname()[1]
        self.link = Link(f"redis://127.0.0.1:{port}/0")

    def _serve(self) -> None:
        for number, answer in enumerate(self._answers, start=1):
            one, _ = self._listener.accept()
            if not one.recv(65_536):  # nobody asks any more, see close
                one.close()
                break
            self.asked = number
            if number == len(self._answers):
                self._listener.close()
            if answer:
                one.sendall(answer)
            one.close()

    def close(self) -> None:
        self.link.close()
        if self.asked < len(self._answers):
            socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Mortal]]:
    made: list[Mortal] = []

    def make(*answers: bytes) -> Mortal:
        made.append(Mortal(*answers))
        return made[-1]

    yield make
    for each in made:
        each.close()


def publish_with_id(link: Link) -> object:
    return publish(link, PARTITION, [Message("go", b"{}", id="7")])


def publish_without(link: Link) -> object:
    return publish(link, PARTITION, [Message("go", b"{}")])


CALLS = {
    "publish": publish_with_id,
    "append": lambda link: journal.append(link, OWNER, TASK, (b"1",), 0),
    "lock": lambda link: locking.acquire(link, PARTITION, CLAIM),
    "unlock": lambda link: locking.release(link, PARTITION, CLAIM),
    "redrive": lambda link: letters.redrive(
        link, PARTITION, ["1-0"], early_ttl_ms=1, inbox_limit=1, dedup_ttl_ms=1
    ),
    "purge": lambda link: letters.purge(link, PARTITION, ["1-0"]),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "second", [(), (LOST,), (FULL,)], ids=["refused", "lost", "full"]
)
def test_that_a_second_call_was_not_made_says_nothing_of_the_first(
    server: Callable[..., Mortal], name: str, second: tuple[bytes, ...]
) -> None:
    mortal = server(LOST, *second)
    with pytest.raises(OutcomeUnknown):
        CALLS[name](mortal.link)
    assert mortal.asked == 1 + len(second)


def test_what_never_arrived_was_not_done(server: Callable[..., Mortal]) -> None:
    mortal = server(LOST)
    with pytest.raises(OutcomeUnknown):
        publish_without(mortal.link)
    with pytest.raises(Unavailable) as caught:
        publish_with_id(mortal.link)
    assert not isinstance(caught.value, OutcomeUnknown)


def test_the_answer_to_a_second_call_is_the_answer(
    server: Callable[..., Mortal],
) -> None:
    assert publish_with_id(server(LOST, ENTRY).link) == ["7"]
    assert CALLS["append"](server(LOST, ONE).link) is journal.Appended.DURABLE


def test_what_could_be_published_twice_is_not_sent_again(
    server: Callable[..., Mortal],
) -> None:
    mortal = server(LOST, ENTRY)
    with pytest.raises(OutcomeUnknown):
        publish_without(mortal.link)
    assert mortal.asked == 1
