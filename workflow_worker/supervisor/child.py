"""Forking: what every child does before its own code runs, and how it is reaped.

Owns the lifeline that ends children with the master. It must never let a child go back
into the master's code, nor hold what is the master's: its pipes, its listener.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NoReturn

from workflow_worker import log as logs
from workflow_worker import stacks
from workflow_worker.supervisor.signals import become_child

log = logging.getLogger(__name__)

CRASHED = 1
"""Exit status of a child that an unforeseen exception ended."""
Shed = Callable[[], None]
"""Closes something of the master's that a child must not hold."""

_PR_SET_PDEATHSIG = 1


class Lifeline:
    """A pipe whose write end only the master holds: readable once it is gone.

    Attributes:
        orphaned_fd: the read end, for children to poll.
    """

    def __init__(self) -> None:
        self.orphaned_fd, self._held = os.pipe()
        self._master = os.getpid()
        # Loaded before the first fork: each child calls it within microseconds.
        self._prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def grip(self) -> None:
        """Tie this child to the master: it gets a SIGKILL when that one dies.

        Not a TERM: code that never returns to the interpreter would not hear it, and
        what was running is resumed from its journal elsewhere.
        """
        os.close(self._held)
        if self._prctl:
            self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self._master:  # died before the line above
            os._exit(CRASHED)

    def close(self) -> None:
        """Let go; whoever still holds on is an orphan now."""
        os.close(self._held)
        os.close(self.orphaned_fd)


def fork(
    title: str,
    lifeline: Lifeline,
    shed: Iterable[Shed],
    stacks_fd: int,
    main: Callable[[], int],
) -> int:
    """Start a child and return its pid.

    Args:
        title: name of the process, for the log.
        lifeline: ties it to the master.
        shed: closes what it must not hold.
        stacks_fd: where it writes its stacks when USR1 comes.
        main: runs in the child; its result is the exit status.

    Raises:
        OSError: the system has no room for another process.
    """
    logs.flush()
    # Blocked across the fork: a signal to the child, while it still has the master's
    # handlers, would be written into the master's pipe.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _live(title, lifeline, shed, stacks_fd, main, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _live(
    title: str,
    lifeline: Lifeline,
    shed: Iterable[Shed],
    stacks_fd: int,
    main: Callable[[], int],
    mask: Collection[int],
) -> NoReturn:
    """Be the child, to its end; never goes back into the master's code."""
    status = CRASHED
    try:
        lifeline.grip()
        stacks.answer_to(stacks_fd)  # before signals come: this one would be its end
        become_child(mask)
        for close in shed:
            close()
        status = main()
    except BaseException:
        log.critical("%s ends: an error nobody foresaw", title, exc_info=True)
    finally:
        logging.shutdown()
        os._exit(status)


def reap(pids: Iterable[int]) -> Iterator[tuple[int, int, float]]:
    """Yield pid, exit status and processor seconds of those that ended.

    The status is minus the signal if one did it; the seconds are those of the process
    and of all that it had reaped itself.

    Only asks for the pids given: another child of this process, an embedded server
    say, is its starter's to reap.
    """
    for pid in pids:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if done:
            seconds = used.ru_utime + used.ru_stime
            yield pid, os.waitstatus_to_exitcode(status), seconds
