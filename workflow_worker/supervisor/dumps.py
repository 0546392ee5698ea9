"""Stacks of children: asked for by USR1, read from a file that each shares with us.

Owns these files, made before the fork, and how long an answer is waited for. It must
never block: the master's loop steps it. A dump is one log record, so that a line of
JSON stays one object.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

QUIET = 0.2
"""Seconds without another line after which a dump is whole: it has no end mark."""
GENTLE = 1.0
"""Seconds in which a process that works answers by itself, however busy."""
LIMIT = 2.0
"""Seconds until a process that dumps nothing is known not to."""
PULSE = 0.05
"""Seconds between looks at what is awaited."""


@dataclass(slots=True)
class _Child:
    """A living child and its file.

    Attributes:
        asked_at: monotonic seconds when its stacks were asked for; inf if they are not.
        gently: it is to answer by itself, which one that hangs does not.
        size: of the file when last looked at.
        grown_at: monotonic seconds when that was first seen.
    """

    title: str
    fd: int
    asked_at: float = math.inf
    gently: bool = False
    size: int = 0
    grown_at: float = math.inf


class Dumps:
    """The files of all living children, by pid."""

    def __init__(self) -> None:
        self._children: dict[int, _Child] = {}

    def fork(self, title: str, fork: Callable[[int], int]) -> int:
        """Fork a child that gets a file of its own; return its pid.

        Args:
            title: what it is called in the log.
            fork: given the file's descriptor, returns the pid in the master alone.

        Raises:
            OSError: there is no room for another file or process.
        """
        fd = _file()
        try:
            pid = fork(fd)
        except BaseException:
            os.close(fd)
            raise
        self._children[pid] = _Child(title, fd)
        return pid

    def shed(self) -> None:
        """Close, in a new child, the files of the others."""
        for child in self._children.values():
            os.close(child.fd)

    def ask(self, pid: int, now: float, *, gently: bool = False) -> None:
        """Ask a child for its stacks, unless they are awaited already.

        Args:
            pid: its process.
            now: monotonic seconds.
            gently: it may work, and must survive that: the signal that also one that
                hangs answers comes only if it does not.
        """
        child = self._children[pid]
        if not math.isinf(child.asked_at):
            return
        os.ftruncate(child.fd, 0)
        child.size, child.asked_at, child.grown_at = 0, now, now
        child.gently = gently
        os.kill(pid, signal.SIGUSR2 if gently else signal.SIGUSR1)

    def ask_all(self, now: float) -> None:
        """Ask every child for its stacks."""
        for pid in self._children:
            self.ask(pid, now, gently=True)

    def awaited(self, pid: int) -> bool:
        """Tell whether a child's stacks are still to come."""
        return not math.isinf(self._children[pid].asked_at)

    def pause(self) -> float:
        """Return for how many seconds nothing here has to be looked at."""
        return PULSE if any(map(self.awaited, self._children)) else math.inf

    def step(self, now: float) -> None:
        """Log what has come."""
        for pid, child in self._children.items():
            if not math.isinf(child.asked_at):
                self._look(pid, child, now)

    def forget(self, pid: int) -> None:
        """Log what one that was reaped still said, and close its file."""
        child = self._children.pop(pid)
        size = os.fstat(child.fd).st_size
        if size and not math.isinf(child.asked_at):
            _tell(pid, child, size)
        os.close(child.fd)

    def _look(self, pid: int, child: _Child, now: float) -> None:
        size = os.fstat(child.fd).st_size
        if size != child.size:
            child.size, child.grown_at = size, now
        if child.gently and not size and now - child.asked_at >= GENTLE:
            child.gently, child.asked_at = False, now
            os.kill(pid, signal.SIGUSR1)
        whole = size and now - child.grown_at >= QUIET
        if whole or now - child.asked_at >= LIMIT:
            child.asked_at = math.inf
            _tell(pid, child, size)


def _tell(pid: int, child: _Child, size: int) -> None:
    if not size:
        log.warning("%s (pid %d) gave no stacks: is it stopped?", child.title, pid)
        return
    # By position: where the file ends is the child's to move.
    text = os.pread(child.fd, size, 0).decode("utf-8", "replace").rstrip()
    log.warning("stacks of %s (pid %d):\n%s", child.title, pid, text)


def _file() -> int:
    """Return a descriptor of a new file without a name, to append to."""
    if sys.platform == "linux":
        fd = os.memfd_create("stacks")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    # Emptied by us and written by the child: it must go on at the end there is.
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
    return fd
