"""Exceptions of the standard library and of this one, most of them provoked."""

from __future__ import annotations

import asyncio
import codecs
import decimal
import http.client
import importlib
import json
import pickle
import queue
import socket
import ssl
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

from tests.unit.raised.case import NOWHERE, Case, P, R, T, alike
from workflow_worker import (
    ActionTimeout,
    DefinitionError,
    EventTimeout,
    InvalidPayload,
    LockLost,
    LockNotAcquired,
    NonDeterminismError,
    OutcomeUnknown,
    OutsideWorkflowError,
    Rejected,
    Unavailable,
    WorkflowTimeout,
    codec,
)


def _http(answer: bytes) -> object:
    """Read an answer with http.client, from a server that hangs up after it."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(answer)
        with http.client.HTTPResponse(ours) as response:
            response.begin()
            return response.read()


def _late() -> object:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.001)
        return ours.recv(1)


def _not_yet() -> object:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        return ours.recv(1)


def _hung_up() -> object:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        return ours.send(b"x")


def _full() -> object:
    with Path("/dev/full").open("wb", buffering=0) as file:
        return file.write(b"x")


def _depth() -> object:
    return _depth()


def _warned() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return warnings.warn("old", DeprecationWarning, stacklevel=1)


def _held() -> object:
    held = bytearray(1)
    with memoryview(held):
        return held.append(1)


def _gone() -> object:
    return weakref.proxy(type("Dropped", (), {})()).anything


STANDARD = [
    Case("hung up", _hung_up, T, "BrokenPipeError"),
    Case(
        "reset", lambda: ConnectionResetError(104, "reset"), T, "ConnectionResetError"
    ),
    Case("aborted", lambda: OSError(103, "aborted"), T, "ConnectionAbortedError"),
    Case("no answer", lambda: _http(b""), T, "ConnectionResetError"),
    Case("nonsense", lambda: _http(b"nonsense\r\n"), T, "http.client.BadStatusLine"),
    Case(
        "half an answer",
        lambda: _http(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
        T,
        "http.client.IncompleteRead",
    ),
    Case(
        "long header",
        lambda: _http(b"HTTP/1.1 200 OK\r\na: " + b"x" * 70_000),
        R,
        "http.client.HTTPException",
    ),
    Case(
        "URL with a space",
        lambda: http.client.HTTPConnection(NOWHERE).putrequest("GET", "/a b"),
        P,
        "http.client.InvalidURL",
    ),
    Case("not yet", _not_yet, T, "BlockingIOError"),
    Case("interrupted", lambda: InterruptedError(4, "EINTR"), T, "InterruptedError"),
    Case("late", _late, R, "TimeoutError"),
    Case("asyncio's", TimeoutError, R, "TimeoutError"),
    Case(
        "slow program",
        lambda: subprocess.run(["sleep", "9"], timeout=0.01, check=True),
        R,
        "subprocess.TimeoutExpired",
    ),
    Case(
        "failing program",
        lambda: subprocess.run(["false"], check=True),
        R,
        "subprocess.CalledProcessError",
    ),
    Case(
        "nobody there",
        lambda: socket.create_connection(("127.0.0.1", 1)),
        R,
        "ConnectionRefusedError",
    ),
    Case("connection", lambda: ConnectionError("lost"), R, "ConnectionError"),
    Case(
        "no such name",
        lambda: socket.getaddrinfo("shop", 80, flags=socket.AI_NUMERICHOST),
        R,
        "socket.gaierror",
    ),
    Case("herror", lambda: socket.herror(2, "try again"), R, "socket.herror"),
    Case(
        "TLS",
        lambda: ssl.create_default_context().load_verify_locations(cadata=b"no"),
        R,
        "ssl.SSLError",
    ),
    Case(
        "certificate",
        lambda: ssl.SSLCertVerificationError(1, "certificate verify failed"),
        P,
        "ssl.SSLCertVerificationError",
    ),
    Case("disk full", _full, R, "OSError"),
    Case("too many files", lambda: OSError(24, "EMFILE"), R, "OSError"),
    Case(
        "no file", lambda: Path("/nowhere/at/all").read_text(), P, "FileNotFoundError"
    ),
    Case("there already", lambda: Path("/dev").mkdir(), P, "FileExistsError"),
    Case("not allowed", lambda: OSError(13, "EACCES"), P, "PermissionError"),
    Case("a directory", lambda: Path("/dev").read_text(), P, "IsADirectoryError"),
    Case(
        "no directory", lambda: Path("/dev/null/x").read_text(), P, "NotADirectoryError"
    ),
    Case("no memory", lambda: bytearray(sys.maxsize // 2), R, "MemoryError"),
    Case("empty queue", lambda: queue.Queue().get_nowait(), R, "_queue.Empty"),
    Case("full queue", queue.Full, R, "queue.Full"),
    Case("type", lambda: len(5), P, "TypeError"),
    Case("attribute", lambda: object().nothing, P, "AttributeError"),
    Case("name", lambda: eval("nowhere"), P, "NameError"),  # noqa: S307
    Case("unbound", lambda: UnboundLocalError("x"), P, "NameError"),
    Case("syntax", lambda: compile("(", "x", "exec"), P, "SyntaxError"),
    Case("module", lambda: importlib.import_module("nowhere"), P, "ImportError"),
    Case("unwritten", NotImplementedError, P, "NotImplementedError"),
    Case("assertion", lambda: AssertionError("not so"), P, "AssertionError"),
    Case("depth", _depth, P, "RecursionError"),
    Case("buffer", _held, P, "BufferError"),
    Case("at the end", lambda: next(iter(())), P, "StopIteration"),
    Case("async end", StopAsyncIteration, P, "StopAsyncIteration"),
    Case("dead", _gone, P, "ReferenceError"),
    Case("system", lambda: SystemError("bad call"), P, "SystemError"),
    Case("value", lambda: int("x"), P, "ValueError"),
    Case("not UTF-8", b"\xff".decode, P, "ValueError"),
    Case("not JSON", lambda: json.loads("{"), P, "ValueError"),
    Case("key", lambda: {}["a"], P, "LookupError"),
    Case("index", lambda: "abc"[9], P, "LookupError"),
    Case("encoding", lambda: codecs.lookup("nope"), P, "LookupError"),
    Case("by zero", lambda: 1 / 0, P, "ArithmeticError"),
    Case("no number", lambda: decimal.Decimal("x"), P, "ArithmeticError"),
    Case("end of data", lambda: pickle.loads(b""), P, "EOFError"),  # noqa: S301
    Case("warning", _warned, P, "Warning"),
    Case("exit", lambda: sys.exit(503), P, "SystemExit"),
    Case("interrupt", KeyboardInterrupt, P, "KeyboardInterrupt"),
    Case("closed", GeneratorExit, P, "GeneratorExit"),
    Case("cancelled", asyncio.CancelledError, P, "BaseException"),
    Case("any", lambda: RuntimeError("odd"), R, "no rule for it"),
    Case("unknown", lambda: alike("shop.Odd")("odd"), R, "no rule for it"),
]

_errors = "workflow_worker.errors."
OURS = [
    Case("action late", lambda: ActionTimeout("x"), R, f"{_errors}ActionTimeout"),
    Case("event late", lambda: EventTimeout("x"), R, f"{_errors}EventTimeout"),
    Case("overdue", lambda: WorkflowTimeout("x"), P, f"{_errors}WorkflowTimeout"),
    Case("held", lambda: LockNotAcquired("x"), R, f"{_errors}LockNotAcquired"),
    Case("lost", lambda: LockLost("x"), R, f"{_errors}LockLost"),
    Case("away", lambda: Unavailable("x"), R, f"{_errors}Unavailable"),
    Case("who knows", lambda: OutcomeUnknown("x"), R, f"{_errors}Unavailable"),
    Case("server full", lambda: Rejected("OOM"), R, f"{_errors}Rejected"),
    Case(
        "no JSON form",
        lambda: codec.encode(object(), "result", max_bytes=9),
        P,
        f"{_errors}WorkflowWorkerError",
    ),
    *(
        Case(
            kind.__name__,
            lambda kind=kind: kind("x"),
            P,
            f"{_errors}WorkflowWorkerError",
        )
        for kind in (
            DefinitionError,
            InvalidPayload,
            NonDeterminismError,
            OutsideWorkflowError,
        )
    ),
]
