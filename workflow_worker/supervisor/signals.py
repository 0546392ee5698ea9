"""Signals to the master, queued: handlers do nothing, the loop asks what came.

Owns the master's handlers and the pipe that wakes its loop. It must never act on a
signal.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Collection, Iterator
from types import TracebackType

from workflow_worker.selfpipe import note

WATCHED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class SignalQueue:
    """What came since it was last asked; a context manager of the main thread."""

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        self._poll = select.poll()
        self._poll.register(self._read_fd, select.POLLIN)

    def close(self) -> None:
        """Close the pipe; children do so at once, lest they wake the master."""
        os.close(self._read_fd)
        os.close(self._write_fd)

    def __enter__(self) -> SignalQueue:
        # A pipe full of CHLDs loses nothing: one of them is as good as a thousand.
        self._fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, note) for number in WATCHED}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(self._fd)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self.close()

    def wait(self, timeout: float) -> Iterator[signal.Signals]:
        """Wait until a signal comes, and return all that did, in order.

        Args:
            timeout: seconds.
        """
        self._poll.poll(timeout * 1000)
        try:
            numbers = os.read(self._read_fd, 4096)
        except BlockingIOError:
            numbers = b""
        return map(signal.Signals, numbers)


def become_child(mask: Collection[int]) -> None:
    """Undo the master's handlers in a process just forked with all signals blocked.

    The terminal's INT and HUP go to the whole process group, but stopping and
    reloading in order is the master's business: children do not hear them. Nor TTIN
    and TTOU: the terminal sends them to the whole group as soon as one of it heeds
    them, and to the master they are orders. What USR1 does is set already.

    Args:
        mask: signals that were blocked before the fork.
    """
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
