"""What takes too long is stopped where it runs: an exception, raised in its thread.

Owns when that is, and that it never comes late: from the moment a limit is disarmed,
nothing is raised any more. It must never be the only thing that stops an action: code
that does not return to the interpreter hears nothing, so the process has a limit too.
"""

from __future__ import annotations

import ctypes
import math
import sys
import threading

from workflow_worker.clock import monotonic
from workflow_worker.errors import TimeUp
from workflow_worker.worker.doorbell import Doorbell

PATIENCE = 0.2
"""Seconds for which a thread is left alone while it is in our own code."""
_AGAIN = 0.002
"""Seconds between two looks at such a thread."""
_LONGEST = 3600.0
"""Seconds the thread sleeps at most; what a lock takes as a timeout is bounded."""
_LOCKING = {
    "acquire",
    "release",
    "__enter__",
    "__exit__",
    "_acquireLock",
    "_releaseLock",
    "_acquire_restore",
    "_release_save",
}
"""Functions, the standard library's above all, that begin or end with a lock held.

An exception on their last or first step comes before the caller's ``try`` or instead of
what stands after ``finally``: the lock is left behind, and where it is a log handler's,
every thread that logs waits for ever. So none is raised there; who never gets the lock
would not hear it either.
"""
_OURS = "workflow_worker."

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_raise_in.restype = ctypes.c_int


class Limit:
    """How long one try may take; used once, in one thread.

    The exception may come at any instruction between :meth:`arm` and the end of
    :meth:`disarm`, those in it included::

        try:
            try:
                limit.arm()
                ...
            finally:
                limit.disarm()
        except TimeUp:
            limit.disarm()

    Attributes:
        seconds: it may take.
        hit: ``TimeUp`` was raised in its thread, or was about to be.
    """

    __slots__ = ("_limiter", "deadline", "hit", "seconds", "thread")

    def __init__(self, limiter: Limiter, seconds: float) -> None:
        self.seconds = seconds
        self.hit = False
        self.deadline = math.inf
        self.thread = 0
        self._limiter = limiter

    def arm(self) -> None:
        """Begin its time, in the thread that calls."""
        self.thread = threading.get_ident()
        self.deadline = monotonic() + self.seconds
        self._limiter.add(self)

    def extend(self) -> None:
        """Begin its time anew."""
        self.deadline = monotonic() + self.seconds

    def disarm(self) -> None:
        """End its time: nothing is raised from here on. Any number of times."""
        self._limiter.remove(self)


class Limiter:
    """Raises ``TimeUp`` in threads whose time is over.

    A thread of its own sleeps until the earliest deadline. An earlier one wakes it, a
    later one does not: to wake a thread costs more than a round trip to Redis.
    """

    def __init__(self) -> None:
        self._armed: set[Limit] = set()
        self._bell = Doorbell()
        self._planned = math.inf
        """Monotonic seconds until when the thread sleeps, if nobody rings."""
        self._raising = threading.Lock()
        """Guards that a limit is armed still when its exception is raised."""

    def limit(self, seconds: float) -> Limit:
        """Return a limit, not armed yet.

        Args:
            seconds: how long what it is for may take.
        """
        return Limit(self, seconds)

    def add(self, limit: Limit) -> None:
        """Look after a limit from now on."""
        self._armed.add(limit)
        # Read after the set was changed, and _next does both the other way round: so
        # whichever comes first, the other one sees it.
        if limit.deadline < self._planned:
            self._bell.ring()

    def remove(self, limit: Limit) -> None:
        """Raise nothing for this limit any more, and take back what is on its way.

        In the thread of the limit.
        """
        # In a with block the lock is never left behind, wherever the exception comes.
        with self._raising:
            if limit.hit:
                # Raised here, and dropped. To withdraw it instead would leave the
                # interpreter looking for it, before every call and in all threads,
                # until the next one comes. A call to suppress() would be too early.
                try:  # noqa: SIM105
                    _pass()
                except TimeUp:
                    pass
            self._armed.discard(limit)

    def run(self) -> None:
        """Work for ever; the process ends without asking."""
        while True:
            self._bell.sleeping = True
            self._planned = math.inf
            due = self._next()
            self._planned = due
            pause = min(max(due - monotonic(), 0.0), _LONGEST)
            self._bell.sleep(pause)

    def _next(self) -> float:
        """Raise what is due, and return when something is next."""
        due = math.inf
        # Copied in one instruction: other threads change it all the time.
        for limit in tuple(self._armed):
            now = monotonic()
            if limit.deadline > now:
                due = min(due, limit.deadline)
            elif not self._raise(limit):
                due = now + _AGAIN
        return due

    def _raise(self, limit: Limit) -> bool:
        """Raise it in its thread; False if that has to wait."""
        with self._raising:
            late = monotonic() - limit.deadline
            # A moment ago it may have ended, or shown that it is alive.
            if limit not in self._armed:
                return True
            if late < 0 or _is_delicate(limit.thread, late):
                return False
            self._armed.discard(limit)
            limit.hit = True
            _raise_in(limit.thread, TimeUp)
            return True


def _is_delicate(thread: int, late: float) -> bool:
    """Tell whether a thread so late is where an exception could leave a lock behind.

    It stays there for as long as this one has the interpreter.
    """
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented name
    if frame is None:
        return False
    if frame.f_code.co_name in _LOCKING:
        return True
    module = str(frame.f_globals.get("__name__"))
    return late < PATIENCE and module.startswith(_OURS)


def _pass() -> None:
    """Do nothing; the interpreter raises what is pending when it enters a function."""
