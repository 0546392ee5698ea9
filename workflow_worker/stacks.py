"""Where a process writes the stacks of all its threads when USR1 comes.

Owns that signal in children of the master. The dump is made by the signal handler in C,
so it comes from a process whose code holds the interpreter too. It must never write to
the log: what a process that hangs would write into is unknown.
"""

from __future__ import annotations

import faulthandler
import signal

_NONE = -1


class _Process:
    fd = _NONE


_process = _Process()


def answer_to(fd: int) -> None:
    """Dump into this file descriptor from now on; only in the main thread."""
    _process.fd = fd
    answer_again()


def answer_again() -> None:
    """Take USR1 back from an App whose import took it; only in the main thread."""
    if _process.fd == _NONE:
        return
    # faulthandler installs nothing where it believes it is registered. The handler it
    # leaves is the one it found: ignored, so that no USR1 in between ends the process.
    faulthandler.unregister(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR1, file=_process.fd, all_threads=True)
