"""How log lines look, and which worker and execution each one belongs to.

Owns the record factory, so that loggers of users carry slot and execution too, and the
one handler that is installed where the user has none. It must never raise: a full disk
or a closed stderr loses lines, not events.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from workflow_worker.clock import timestamp

Factory: TypeAlias = Callable[..., logging.LogRecord]

OURS = ("wf_role", "wf_slot", "wf_execution")
"""Attributes of every record. Prefixed: ``extra={"slot": ...}`` stays the user's."""

get = logging.getLogger
"""Return the logger of this name."""


class _Thread(threading.local):
    execution = ""


class _Process:
    role = ""
    slot: int | None = None


_thread = _Thread()
_process = _Process()


def set_slot(slot: int | None) -> None:
    """Say which worker this process is; None for none."""
    _process.slot = slot


def running(execution_id: str) -> None:
    """Say what this thread runs from now on; empty for nothing."""
    _thread.execution = execution_id


def redact(text: str) -> str:
    """Return a URL, or a text with some in it, with every password masked."""
    # Only from the begin of a word: else a long one costs the square of its length.
    text = re.sub(r"(\b\w+://[^\s/@:?]*):[^\s/]*@", r"\1:***@", text)
    return re.sub(r"([?&]password=)[^&\s]*", r"\1***", text)


def configure(level: str, fmt: str, *, role: str) -> None:
    """Log to stderr, unless the root logger has handlers already.

    Call it again in a child, or after a reload, for another role, level or format.

    Args:
        level: least important level, as in ``LOG_LEVEL``.
        fmt: ``text`` or ``json``.
        role: what this process is, as long as it has no slot.
    """
    # A log line that can't be written is no reason to print a traceback, to the same
    # full disk, for each one.
    logging.raiseExceptions = False
    _process.role = role
    _install_factory()
    root = logging.getLogger()
    handler = _our_handler()
    if handler is None and not root.handlers:
        handler = _Handler(sys.stderr)
        root.addHandler(handler)
    if handler is not None:
        handler.setFormatter(_Json() if fmt == "json" else _Text())
        root.setLevel(level.upper())


def flush() -> bool:
    """Write what standard output and error still hold: a child would write it too.

    Returns:
        False if some of it can't be written: a full disk, a reader that went away.
    """
    written = True
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            written = False
    return written


@contextmanager
def aside() -> Iterator[None]:
    """Take our handler off while a user's App is imported, and put it back if needed.

    Only so does ``logging.basicConfig()`` in a user's module do anything.
    """
    root, handler = logging.getLogger(), _our_handler()
    if handler is None:
        yield
        return
    root.removeHandler(handler)
    try:
        yield
    finally:
        if not root.handlers:
            root.addHandler(handler)
        _install_factory()
        _enable()


class _Handler(logging.StreamHandler):  # type: ignore[type-arg] # not generic at run time
    """Ours, to be told from a user's."""


def _our_handler() -> _Handler | None:
    handlers = logging.getLogger().handlers
    return next((each for each in handlers if isinstance(each, _Handler)), None)


def _install_factory() -> None:
    """Wrap the record factory, unless ours is in the chain already."""
    inner: Factory = logging.getLogRecordFactory()
    probe = inner("", logging.DEBUG, "", 0, "", (), None)
    if hasattr(probe, OURS[0]):
        return

    def factory(*args: object, **kwargs: object) -> logging.LogRecord:
        record = inner(*args, **kwargs)
        record.wf_role = _process.role
        record.wf_slot = _process.slot
        record.wf_execution = _thread.execution
        return record

    logging.setLogRecordFactory(factory)


def _enable() -> None:
    # dictConfig switches off every logger made before it unless told otherwise.
    for name, logger in logging.root.manager.loggerDict.items():
        ours = name.split(".")[0] == "workflow_worker"
        if ours and isinstance(logger, logging.Logger):
            logger.disabled = False


class _Text(logging.Formatter):
    """``time LEVEL who logger: message execution=id``."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - inherited
        head = f"{_time(record)} {record.levelname} {_who(record)} {record.name}"
        execution = getattr(record, "wf_execution", "")
        tail = f" execution={execution}" if execution else ""
        return f"{head}: {record.message}{tail}"


class _Json(JsonFormatter):
    """One object a line, the extras of the record included."""

    def __init__(self) -> None:
        super().__init__(reserved_attrs=[*RESERVED_ATTRS, *OURS])

    def add_fields(
        self,
        log_data: dict[str, object],
        record: logging.LogRecord,
        message_dict: dict[str, object],
    ) -> None:
        log_data.update(
            time=_time(record),
            level=record.levelname.lower(),
            role=getattr(record, "wf_role", ""),
            slot=getattr(record, "wf_slot", None),
            execution=getattr(record, "wf_execution", ""),
            logger=record.name,
        )
        super().add_fields(log_data, record, message_dict)


def _time(record: logging.LogRecord) -> str:
    return timestamp(int(record.created * 1000))


def _who(record: logging.LogRecord) -> str:
    slot = getattr(record, "wf_slot", None)
    return getattr(record, "wf_role", "") or "-" if slot is None else f"worker-{slot}"
