"""Signals as something to poll for: a pipe that they make readable.

Owns handlers while it is used. It must never act on a signal: who polls does.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def signals_fd(heeded: Collection[signal.Signals]) -> Iterator[int]:
    """Give a descriptor on which the number of each signal arrives as an octet.

    Only in the main thread. Handlers are as before once the block ends.

    Args:
        heeded: the signals.
    """
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    # A full pipe loses nothing that matters: whoever polls wakes.
    wakeup = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, note) for number in heeded}
    try:
        yield read_fd
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(read_fd)
        os.close(write_fd)


def note(number: int, frame: FrameType | None) -> None:
    """Do nothing, as a handler: the interpreter has written to the pipe already."""
