"""Where a process writes the stacks of all its threads when the master asks.

Owns two signals in children of the master. USR2 is answered by the interpreter, between
two instructions: safe while other threads run. USR1 is answered by a handler in C, so
it comes from a process whose code holds the interpreter, too; but it reads what other
threads may be changing, and can crash on it. It must never write to the log: what a
process that hangs would write into is unknown.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_NONE = -1


class _Process:
    fd = _NONE


_process = _Process()


def answer_to(fd: int) -> None:
    """Dump into this file descriptor from now on; only in the main thread."""
    _process.fd = fd
    answer_again()


def answer_again() -> None:
    """Take the signals back from an App whose import took them; main thread only."""
    if _process.fd == _NONE:
        return
    # faulthandler installs nothing where it believes it is registered. The handler it
    # leaves is the one it found: ignored, so that no USR1 in between ends the process.
    faulthandler.unregister(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR1, file=_process.fd, all_threads=True)
    signal.signal(signal.SIGUSR2, _answer)


def _answer(_number: int, frame: FrameType | None) -> None:
    os.write(_process.fd, "\n".join(_lines(frame)).encode("utf-8", "replace"))


def _lines(interrupted: FrameType | None) -> Iterator[str]:
    """Yield what faulthandler would write, with the threads' names."""
    # Not enumerate(): its lock may be held by the code that was interrupted.
    threads = threading._active.copy()  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    here = threading.get_ident()
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - documented
        thread = threads.get(ident)
        name = f" ({thread.name})" if thread else ""
        yield f"Thread 0x{ident:016x}{name} (most recent call first):"
        at = interrupted if ident == here else frame
        while at is not None:
            code = at.f_code
            yield f'  File "{code.co_filename}", line {at.f_lineno} in {code.co_name}'
            at = at.f_back
        yield ""
