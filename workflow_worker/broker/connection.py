"""One connection to Redis for one thread, and the difference between its failures.

Owns every socket option. redis-py 8 retries commands by itself and has a read timeout
of 5 s: the first would publish twice when a reply is lost, the second would break
longer blocks, so both are set here and nowhere else. redis-py connects; what goes over
the connection then is in ``wire``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.backoff import NoBackoff
from redis.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from workflow_worker.broker import tls
from workflow_worker.broker.wire import AnyConnection, Wire, wire
from workflow_worker.errors import OutcomeUnknown, Rejected, Unavailable

Reply = Any
"""What the server answered: bytes, int, None or lists of these."""

BLOCK_MARGIN = 1.0
"""Seconds a blocking read may outlive its block before the link counts as dead."""
TIMEOUT = 5.0
"""Seconds to connect, and to wait for the answer to a call that does not block."""

# States of the server, not faults of a command: waited out, never an event's failure.
# Inside a script's error the word stands in the middle of the text.
_STATES = re.compile(
    r"\b(LOADING|READONLY|MISCONF|NOREPLICAS|CLUSTERDOWN|MASTERDOWN|BUSY|TRYAGAIN"
    r"|NOGROUP|UNBLOCKED|NOAUTH|WRONGPASS|NOPERM)\b"
    r"|loading the dataset|read only replica|max number of clients|invalid username"
    # What a long command is told where a password is wanted.
    r"|unauthenticated (multi)?bulk",
    re.IGNORECASE,
)
# Its stub says that a command is a tuple of one.
_hiredis_pack = cast("Callable[[Sequence[str | bytes]], bytes]", hiredis.pack_command)
_FULL = re.compile(r"\bOOM\b|used memory > 'maxmemory'|out of memory", re.IGNORECASE)


class Link:
    """One lazily made connection. Not thread-safe: every thread has its own."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._connection: AnyConnection | None = None
        self._wire: Wire | None = None
        """Of the connection, while it is open."""

    @property
    def connected(self) -> bool:
        """True if a socket is open, which says nothing about the other end."""
        return self._wire is not None

    def call(self, *command: str | bytes | int, block: float = 0.0) -> Reply:
        """Send one command and return its answer.

        Args:
            command: name and arguments.
            block: seconds the server may hold the answer back.

        Raises:
            Unavailable: not reached, or the server can't serve now; nothing was done.
            OutcomeUnknown: sent, but the answer never came.
            Rejected: memory is full; nothing was done.
            ResponseError: the server refused this very command.
        """
        over = self._wire or self._connect()
        self._send(over, pack(command))
        return self._receive(over, block)

    def calls(self, commands: Sequence[tuple[str | bytes | int, ...]]) -> list[Reply]:
        """Send several commands at once; errors stand in the list, in their places.

        Raises:
            Unavailable: as for :meth:`call`, before anything was sent.
            OutcomeUnknown: sent, but not every answer came.
        """
        over = self._wire or self._connect()
        self._send(over, b"".join(map(pack, commands)))
        return [self._answer(over, 0.0) for _ in commands]

    def call_behind(
        self,
        blocking: Sequence[str | bytes | int],
        command: Sequence[str | bytes | int],
        *,
        block: float,
        asleep: Callable[[], None],
        awake: Callable[[], None],
    ) -> tuple[Reply, Reply]:
        """Send a command that blocks and one that runs as soon as it no longer does.

        Args:
            blocking: the first.
            command: the second.
            block: seconds the server may hold the first answer back.
            asleep: called when both are sent.
            awake: called between the two answers.

        Returns:
            both answers; in the place of one an error, as for :meth:`calls`.

        Raises:
            Unavailable, OutcomeUnknown: as for :meth:`calls`.
        """
        over = self._wire or self._connect()
        self._send(over, pack(blocking) + pack(command))
        asleep()
        first = self._answer(over, block)
        awake()
        return first, self._answer(over, 0.0)

    def close(self) -> None:
        """Close the socket; the next call opens another."""
        connection, self._connection, self._wire = self._connection, None, None
        if connection is not None:
            connection.disconnect()

    def forget(self) -> None:
        """Let go of a connection inherited over a fork without touching its socket."""
        self._connection = self._wire = None

    def _connect(self) -> Wire:
        connection = open_connection(self._url, self._timeout)
        try:
            connection.connect()
        except (RedisError, OSError) as error:
            why = _said(error)
            if isinstance(connection, SSLConnection):
                why = tls.sentence(error, connection) or why
            raise Unavailable(f"Redis can't be reached: {why}") from error
        self._connection = connection
        self._wire = over = wire(connection, self._timeout)
        return over

    def _send(self, over: Wire, packed: bytes) -> None:
        try:
            over.send(packed)
        except (RedisError, OSError) as error:
            self.close()
            raise OutcomeUnknown(
                f"Redis went away while sending: {_said(error)}"
            ) from error
        except BaseException:
            # Half a command may have gone out.
            self.close()
            raise

    def _answer(self, over: Wire, block: float) -> Reply:
        try:
            return self._receive(over, block)
        except OutcomeUnknown:
            raise
        except (ResponseError, Unavailable, Rejected) as error:
            return error

    def _receive(self, over: Wire, block: float) -> Reply:
        # A half-open link never answers: no read outlives its block by much.
        try:
            return over.read(block + BLOCK_MARGIN if block else self._timeout)
        except ResponseError as error:
            raise translated(error) from error
        except (RedisError, OSError) as error:
            refused = translated(error)
            self.close()
            if isinstance(refused, Unavailable | Rejected):
                raise refused from error
            raise OutcomeUnknown(f"Redis went away: {_said(error)}") from error
        except BaseException:
            # Whatever interrupts the read leaves an answer behind in the socket.
            self.close()
            raise


def pack(command: Sequence[str | bytes | int]) -> bytes:
    """Return a command as it goes over the wire."""
    # hiredis would ask a number for its text, in which signals are handled, and crash
    # where a handler raises.
    return _hiredis_pack(tuple([str(x) if x.__class__ is int else x for x in command]))  # type: ignore[misc]


def open_connection(url: str, timeout: float) -> AnyConnection:
    """Build, but don't open yet, a connection with every option set here."""
    options = dict(parse_url(url))
    kind = options.pop("connection_class", Connection)
    options.update(
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        health_check_interval=0,
        protocol=2,
        driver_info=None,
        decode_responses=False,
    )
    if kind is not UnixDomainSocketConnection:
        options["socket_keepalive"] = True
    return cast("AnyConnection", kind(**options))


def translated(error: Exception) -> Exception:
    """Return the error that says whether waiting helps."""
    text = f"{type(error).__name__} {error}"
    if _FULL.search(text) or type(error).__name__ == "OutOfMemoryError":
        return Rejected(f"Redis is out of memory: {_said(error)}")
    if _STATES.search(text) or type(error).__name__ in _STATE_CLASSES:
        return Unavailable(f"Redis can't serve now: {_said(error)}")
    return error


def _said(error: Exception) -> str:
    """Return the text of an error, to stand within a sentence."""
    return str(error).rstrip(".")


# redis-py cuts the code off the text of these.
_STATE_CLASSES = frozenset(
    (
        "BusyLoadingError",
        "ReadOnlyError",
        "ClusterDownError",
        "MasterDownError",
        "TryAgainError",
        "AuthenticationError",
        "AuthenticationWrongNumberOfArgsError",
        "NoPermissionError",
        "MaxConnectionsError",
        "InvalidResponse",
    )
)
