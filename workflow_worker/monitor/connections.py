"""What a connection may take: so much time, and a place among so many.

Owns the limits that waitress has not. Its own timeout counts from the last octet, so
one a second keeps a place for ever; it closes nobody who does not read; and at its
limit of connections it lets nobody in, a probe least of all. Here everybody is let in,
and who has kept a place for longest without need of it leaves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]  # no stubs
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]  # likewise
from waitress.task import ErrorTask  # type: ignore[import-untyped]  # likewise

from workflow_worker.clock import monotonic
from workflow_worker.monitor.answers import HEADERS, error_body
from workflow_worker.monitor.parser import Parser

REST = 0.1
"""Seconds from an answer after which the client's next request is not on its way."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take.

    Attributes:
        connections: at a time.
        ask: seconds to send a request whole, from the last answer or the begin.
        read_on: seconds to take another part of an answer.
        read: seconds to take an answer whole.
        look: seconds between two looks at who is overdue.
    """

    connections: int = 400
    ask: float = 15.0
    read_on: float = 15.0
    read: float = 120.0
    look: float = 1.0


class Refusal(ErrorTask):  # type: ignore[misc]  # no stubs
    """The answer to what can't be read, as JSON and with the headers of all answers."""

    def execute(self) -> None:
        """Write it, and end the connection."""
        error = self.request.error
        body = json.dumps(error_body(error.reason, str(error.body))).encode()
        self.status = f"{error.code} {error.reason}"
        headers: Mapping[str, str] = {"Content-Type": "application/json"} | HEADERS
        self.response_headers.extend(headers.items())
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):  # type: ignore[misc]  # no stubs
    """One connection, which knows since when it is the client's turn."""

    error_task_class = Refusal
    parser_class = Parser

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.since = monotonic()
        self._moved = self.since
        self._left = 0
        self._answered = False
        super().__init__(*args, **kwargs)

    def service(self) -> None:
        """Answer one request, in a thread of the pool; the last one, if that is so."""
        if self.server.ending and self.requests:
            self.requests[0].headers["CONNECTION"] = "close"
        super().service()
        self._answered = True
        self.since = self._moved = monotonic()

    def rests(self, now: float) -> bool:
        """Tell whether all is answered, and nothing more has come for a while.

        Args:
            now: monotonic seconds.
        """
        asked = self.request is not None or self.requests or self.total_outbufs_len
        return self._answered and not asked and now - self.since > REST

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: to ask, or to take an answer."""
        return not self.requests or self.total_outbufs_len > 0

    def overdue(self, now: float) -> bool:
        """Tell whether the client has had its time; asked again and again.

        Args:
            now: monotonic seconds.
        """
        limits: Limits = self.server.limits
        left = self.total_outbufs_len
        if left != self._left:
            self._left, self._moved = left, now
            if not left:
                self.since = now
        if left:
            # Also where requests are under way: who wrote too much waits for room.
            return now - self._moved > limits.read_on or now - self.since > limits.read
        return not self.requests and now - self.since > limits.ask


class Connections(TcpWSGIServer):  # type: ignore[misc]  # no stubs
    """The server; it looks after its connections in its own loop."""

    channel_class = Channel
    limits = Limits()
    ending = False
    """Whether each connection ends with the answer that is under way, or its first."""

    def handle_accept(self) -> None:
        """Let a client in, and if need be another one out."""
        if len(self.active_channels) >= self.limits.connections:
            waiting = (each for each in self.active_channels.values() if each.waits)
            longest = min(waiting, key=lambda each: each.since, default=None)
            if longest is not None:
                longest.handle_close()
        super().handle_accept()

    def end(self) -> None:
        """Let nobody in, and those out who want nothing; in the loop's thread."""
        self.accepting = False
        self.ending = True
        for channel in [*self.active_channels.values()]:
            if channel.rests(monotonic()):
                channel.handle_close()

    def maintenance(self, now: float) -> None:
        """Close the connections of those who have had their time."""
        for channel in [*self.active_channels.values()]:
            if channel.overdue(monotonic()):
                channel.handle_close()
