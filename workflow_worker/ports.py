"""What the runtime needs of the process that runs it.

The runtime decides and never does: everything it wants done stands here, so that a
test's memory, a TestWorker and a real worker can each be what does it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol


class Appender(Protocol):
    """Whoever can make journal entries durable."""

    def append(
        self,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...] = (),
    ) -> bool:
        """Make journal entries durable; returns once they are: True if to cancel.

        Args:
            entries: encoded, in order.
            journaled: how many entries are durable before these.
            consumed: as in :class:`Decision`.

        Raises:
            LeaseLost: another worker owns the execution now; nothing was written.
        """


class Unsaved(Protocol):
    """Journal entries that are not durable yet."""

    def store(self, appender: Appender, /) -> None:
        """Make them durable; from any thread.

        Raises:
            LeaseLost: another worker owns the execution now.
        """


class Watch(Protocol):
    """One try of an action, as the process that runs it sees it.

    When its time is over ``TimeUp`` is raised in its thread, once; where that does not
    help, the process is killed.
    """

    @property
    def hit(self) -> bool:
        """Whether its time was over before it ended."""

    def start(self) -> None:
        """Begin its time; in the thread that runs it, which stays the same."""

    def extend(self) -> None:
        """Begin its time anew: it is alive."""

    def end(self) -> None:
        """Note that it ended; ``TimeUp`` is raised no more. Any number of times."""


class HeldLock(Protocol):
    """A distributed lock that is held."""

    @property
    def token(self) -> int:
        """A number greater than that of whoever held the lock before.

        Raises:
            LockLost: it is held no longer.
        """

    @property
    def lost(self) -> bool:
        """Whether it is held no longer."""


class Effects(Appender, Protocol):
    """What the runtime may ask of the process that runs it."""

    @property
    def scope(self) -> str:
        """Namespace and epoch of the database; idempotency keys begin with it."""

    def now_ms(self) -> int:
        """Return the server's wall clock in ms since the epoch, nearly."""

    def monotonic(self) -> float:
        """Return seconds for measuring durations."""

    def random(self) -> float:
        """Return a random number from 0 to below 1."""

    def uuid(self) -> str:
        """Return a random UUID as text."""

    def unsaved(self, entries: Unsaved) -> None:
        """Note that entries wait; whoever it is stores them within 10 ms."""

    def bounded(self, seconds: float) -> None:
        """Note how long the run may take from now on; after that its process is killed.

        It is told a little later than the runtime itself would have stopped the run.
        """

    def enter(
        self, action: str, ordinal: int, seconds: float | None, *, beside: bool
    ) -> Watch:
        """Watch over one try of an action that this thread begins now.

        Returns only if this worker surely owns the execution for a while.

        Args:
            action: its name.
            ordinal: its place in program order.
            seconds: it may take; None for as long as it takes.
            beside: this is not the workflow's thread.

        Raises:
            LeaseLost: another worker owns the execution now.
        """

    def tried(
        self, action: str, seconds: float | None, error: str, *, last: bool
    ) -> None:
        """Note that a try of an action ended, for whoever counts; from its thread.

        Args:
            action: its name.
            seconds: it took; None if that is not known.
            error: category of what it raised; empty if it succeeded.
            last: it is not tried again.
        """

    def lock(
        self, name: str, ttl: float | timedelta, wait: float | timedelta
    ) -> AbstractContextManager[HeldLock]:
        """Return a distributed lock to be held; see ``Client.lock``."""

    def lost(self) -> bool:
        """Tell whether another worker owns the execution by now, as far as is known."""

    def beside(self, work: Callable[[], None]) -> None:
        """Run this on another thread of the process, when one is free."""

    def pause(self, seconds: float) -> bool:
        """Wait in this thread; False if that is too long, then nothing was done."""
