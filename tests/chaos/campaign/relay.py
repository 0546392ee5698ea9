"""A proxy that knows where commands and answers begin: ``-m ...relay PORT``.

Passes everything on between a port of its own and a server's on loopback. Told by JSON
lines on its input what to do from then on, and answers each with one; the end of its
input is its own. Never changes what it passes on, and never answers a command that it
passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

import hiredis

CHUNK = 1 << 16
IN_TRANSACTION = frozenset((b"MULTI", b"EXEC", b"DISCARD"))
HANDSHAKE = frozenset((b"AUTH", b"HELLO", b"CLIENT", b"SELECT", b"QUIT"))
"""What a server that can't serve allows all the same."""


class Broken(Exception):  # noqa: N818 - what the link is
    """This link is to be broken."""


class Link:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, relay: Relay, near: asyncio.StreamWriter) -> None:
        self._relay = relay
        self._near = near
        self._far: asyncio.StreamWriter | None = None
        self._flowing = relay.flowing
        self._unanswered = 0
        self._in_transaction = False

    async def run(self, reader: asyncio.StreamReader) -> None:
        answers, self._far = await asyncio.open_connection("127.0.0.1", self._relay.to)
        both = [
            asyncio.create_task(self._commands(reader, self._far)),
            asyncio.create_task(self._answers(answers)),
        ]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                with contextlib.suppress(Broken, OSError):
                    task.result()
        finally:
            for task in both:
                task.cancel()
            self.cut()

    def cut(self) -> None:
        """Break both ends without a farewell."""
        for one in (self._near, self._far):
            if one is not None:
                one.transport.abort()

    async def _commands(
        self, reader: asyncio.StreamReader, far: asyncio.StreamWriter
    ) -> None:
        parser = hiredis.Reader()
        while data := await reader.read(CHUNK):
            await self._hold()
            parser.feed(data)
            while (command := parser.gets()) is not False:
                self._command(command, far)
            await far.drain()

    def _command(self, command: list[bytes], far: asyncio.StreamWriter) -> None:
        packed = hiredis.pack_command(tuple(command))
        if self._relay.used("tear"):
            far.write(packed[: len(packed) // 2])
            # Closed, not aborted: the server is to have that half.
            far.close()
            raise Broken
        name = command[0].upper()
        if not self._in_transaction and name not in IN_TRANSACTION:
            error = self._relay.refusal(name)
            # In the order of the commands: not before an answer that is still due.
            if error and not self._unanswered:
                self._relay.counts["answered"] += 1
                self._near.write(b"-" + error + b"\r\n")
                return
        if name in IN_TRANSACTION:
            self._in_transaction = name == b"MULTI"
        self._unanswered += 1
        far.write(packed)

    async def _answers(self, reader: asyncio.StreamReader) -> None:
        parser = hiredis.Reader()
        while data := await reader.read(CHUNK):
            await self._hold()
            if self._relay.used("swallow"):
                raise Broken
            if self._relay.used("truncate"):
                self._near.write(data[: len(data) // 2])
                self._near.close()
                raise Broken
            parser.feed(data)
            while parser.gets() is not False:
                self._unanswered -= 1
            self._near.write(data)
            await self._near.drain()

    async def _hold(self) -> None:
        if self._relay.delay:
            await asyncio.sleep(self._relay.delay)
        await self._flowing.wait()


class Relay:
    """What is to be done to all links."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.delay = 0.0
        self.flowing = flowing()
        self.counts = {"links": 0, "broken": 0, "answered": 0}
        self._links: set[Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._refused = False
        self._left = {"tear": 0, "swallow": 0, "truncate": 0}
        self._error = b""
        self._only: frozenset[bytes] = frozenset()
        self._every = 1
        self._matched = 0

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take on a new link."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._refused:
            writer.transport.abort()
            return
        link = Link(self, writer)
        self._links.add(link)
        self.counts["links"] += 1
        try:
            await link.run(reader)
        except OSError:
            # The server can't be reached.
            link.cut()
        finally:
            self._links.discard(link)
            self.counts["broken"] += 1

    def used(self, what: str) -> bool:
        """Whether it is due now; if so, once less from now on."""
        if not self._left[what]:
            return False
        self._left[what] -= 1
        return True

    def refusal(self, name: bytes) -> bytes:
        """What to answer instead of passing this command on; nothing to pass it on."""
        wanted = name in self._only if self._only else name not in HANDSHAKE
        if not self._error or not wanted:
            return b""
        self._matched += 1
        return b"" if self._matched % self._every else self._error

    def do(self, what: str, how: dict[str, Any]) -> dict[str, int]:
        """Carry out one order of the driver."""
        orders: dict[str, Callable[..., object]] = {
            "cut": self._cut,
            "refuse": self._refuse,
            "freeze": self.flowing.clear,
            "strand": self._strand,
            "delay": self._hold_back,
            "break": self._break,
            "answer": self._answer,
            "heal": self._heal,
            "counts": lambda: None,
        }
        orders[what](**how)
        return self.counts

    def _cut(self) -> None:
        for link in self._links:
            link.cut()

    def _refuse(self) -> None:
        self._refused = True
        self._cut()

    def _strand(self) -> None:
        # Those that wait for this event wait for ever.
        self.flowing.clear()
        self.flowing = flowing()

    def _hold_back(self, seconds: float) -> None:
        self.delay = seconds

    def _break(self, how: str, count: int) -> None:
        self._left[how] = count

    def _answer(self, error: str, only: list[str], every: int) -> None:
        self._error = error.encode()
        self._only = frozenset(name.encode() for name in only)
        self._every = every

    def _heal(self) -> None:
        self.delay = 0.0
        self._refused = False
        self._left = dict.fromkeys(self._left, 0)
        self._error = b""
        self.flowing.set()


def flowing() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def say(answer: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def main(to: int) -> None:
    relay = Relay(to)
    listener = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    say({"port": listener.sockets[0].getsockname()[1]})
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    while line := await orders.readline():
        order = json.loads(line)
        say(relay.do(order.pop("do"), order))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
