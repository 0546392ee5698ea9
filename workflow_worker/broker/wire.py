"""Bytes to the server and answers from it, over a connection that redis-py has opened.

Owns the time limit of each read. redis-py's sockets have theirs in Python, which asks
the kernel whether it may before each send and each read, and lets go of the interpreter
for it: here the kernel keeps the limit. A command costs two calls, not four, and only
the one that waits lets go.
Encrypted sockets stay redis-py's, for between the kernel and them stands OpenSSL.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Any, Protocol, cast

import hiredis
from redis.connection import Connection, DefaultParser, SSLConnection
from redis.connection import UnixDomainSocketConnection as UnixConnection
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as Silent

AnyConnection = Connection | SSLConnection | UnixConnection
_READ_SIZE = 65_536
"""Most bytes of a read."""
# macOS has no flag against SIGPIPE, which Python ignores anyway.
_AT_ONCE = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)
# The kernel's send without letting go of the interpreter: it takes a few microseconds,
# and another thread that got it meanwhile would keep it for longer.
_send = ctypes.PyDLL(None).send
_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_send.restype = ctypes.c_ssize_t


class Wire(Protocol):
    """How commands leave and answers come. What fails raises RedisError or OSError."""

    def send(self, packed: bytes) -> None:
        """Send all of it, within the connection's time limit for each piece."""

    def read(self, seconds: float) -> Any:
        """Return the next answer; an error of the server is raised, one in a list not.

        Args:
            seconds: longest silence of the other end.
        """


def wire(connection: AnyConnection, timeout: float) -> Wire:
    """Return the wire of a connection that is open and has no answer outstanding.

    Args:
        connection: stays the owner of the socket, and closes it.
        timeout: the connection's own limit in seconds, that of a send.
    """
    if isinstance(connection, SSLConnection):
        return _Layered(connection, timeout)
    return Plain(cast("socket.socket", connection._sock), timeout)  # noqa: SLF001 - no other way


class Plain:
    """A socket with nothing between it and the kernel.

    Args:
        sock: connected; its time limits are set here.
        timeout: seconds, of a send.
    """

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._sock = sock
        self._number = sock.fileno()
        self._buffer = bytearray(_READ_SIZE)
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=DefaultParser.parse_error
        )
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _interval(timeout))
        self._limit = 0.0
        """Seconds, that the kernel knows; 0 for none yet."""

    def send(self, packed: bytes) -> None:
        """Send all of it."""
        sent = _send(self._number, packed, len(packed), _AT_ONCE)
        if sent != len(packed):
            self._send_rest(packed[max(sent, 0) :])

    def read(self, seconds: float) -> Any:
        """Return the next answer."""
        reader = self._reader
        answer = reader.gets()
        while answer is False:  # what RESP2 says is never False
            self._feed(seconds)
            answer = reader.gets()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _send_rest(self, packed: bytes) -> None:
        # What no buffer had room for; or all, to raise what was wrong.
        try:
            self._sock.sendall(packed)
        except BlockingIOError as error:
            raise Silent("timeout while writing") from error

    def _feed(self, seconds: float) -> None:
        if seconds != self._limit:
            limit = _interval(seconds)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._limit = seconds
        try:
            length = self._sock.recv_into(self._buffer)
        except BlockingIOError as error:
            raise Silent("timeout while reading") from error
        if not length:
            raise Lost("the other end closed the connection")
        self._reader.feed(cast("bytes", self._buffer), 0, length)


class _Layered:
    """A socket that encrypts, as redis-py reads and writes it."""

    def __init__(self, connection: SSLConnection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout

    def send(self, packed: bytes) -> None:
        self._connection.send_packed_command([packed], check_health=False)  # type: ignore[no-untyped-call]

    def read(self, seconds: float) -> Any:
        if seconds == self._timeout:  # it has that limit: to set it costs two calls
            return self._connection.read_response()
        return self._connection.read_response(timeout=seconds)


def _interval(seconds: float) -> bytes:
    """Return a time as the kernel reads it: a ``struct timeval``."""
    whole = int(seconds)
    # None of it would mean for ever.
    return struct.pack("@ll", whole, max(int((seconds - whole) * 1e6), not whole))
