"""The terminal of ``wfworker top``: keys, signals, and leaving it as it was.

Owns the modes of the terminal while it is used: whatever ends the process by a signal
that can be heard, or stops it for a while, they are put back before.
"""

from __future__ import annotations

import enum
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from workflow_worker.clock import monotonic
from workflow_worker.selfpipe import signals_fd


class Came(enum.IntEnum):
    """What ended a wait; of several the first of these."""

    END = enum.auto()
    """A person or the system wants it to end."""
    STOP = enum.auto()
    """Ctrl-Z."""
    SIZE = enum.auto()
    """The terminal has another size, or is ours again."""
    TIME = enum.auto()


_SIGNALS = {
    signal.SIGINT: Came.END,
    signal.SIGTERM: Came.END,
    signal.SIGHUP: Came.END,
    signal.SIGQUIT: Came.END,
    signal.SIGTSTP: Came.STOP,
    signal.SIGCONT: Came.SIZE,
    signal.SIGWINCH: Came.SIZE,
}
QUITS = b"qQ\x04"
"""Keys that end it; the last is Ctrl-D."""


class Keyboard:
    """Keys and signals, one at a time; use it as a context manager."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._signals = stack.enter_context(signals_fd(_SIGNALS))
            self._keys = stack.enter_context(_keys_fd())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self, seconds: float) -> Came:
        """Wait for a key, a signal or the time."""
        watched = [fd for fd in (self._signals, self._keys) if fd is not None]
        until = monotonic() + seconds
        while True:
            pause = max(0.0, until - monotonic())
            ready, _, _ = select.select(watched, [], [], pause)
            if not ready:
                return Came.TIME
            came = [each for fd in ready for each in self._read(fd)]
            if came:
                return min(came)

    def pause(self) -> None:
        """Stop this process until it is told to go on, the terminal as it was."""
        self._stack.close()
        os.kill(os.getpid(), signal.SIGTSTP)
        self.__enter__()

    def _read(self, fd: int) -> list[Came]:
        read = os.read(fd, 1024)
        if fd == self._signals:
            return [_SIGNALS[signal.Signals(number)] for number in read]
        return [Came.END] if not read or set(read) & set(QUITS) else []


@contextmanager
def _keys_fd() -> Iterator[int | None]:
    """Give a descriptor on which keys come at once and unseen; None without any."""
    if not sys.stdin.isatty():
        yield None
        return
    fd = sys.stdin.fileno()
    modes = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield fd
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, modes)
