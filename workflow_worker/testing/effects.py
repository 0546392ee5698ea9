"""What a run may ask of a TestWorker: the port ``Effects``, in the test's process."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from workflow_worker.clock import monotonic
from workflow_worker.ports import HeldLock, Unsaved

Duration = float | timedelta


class RunEffects:
    """The run's ``Effects``; nobody can take its lease.

    Args:
        scope: what idempotency keys begin with.
        now_ms: the skipping clock.
        append: makes entries of this run durable, one call at a time.
        lock: returns a distributed lock.
    """

    def __init__(
        self,
        scope: str,
        now_ms: Callable[[], int],
        append: Callable[[tuple[bytes, ...], int, tuple[str, ...]], bool],
        lock: Callable[[str, Duration, Duration], AbstractContextManager[HeldLock]],
    ) -> None:
        self.scope = scope
        self.now_ms = now_ms
        self.monotonic = monotonic
        self.lock = lock
        self._append = append
        self._appending = threading.Lock()
        """Guards the link: submitted actions run in threads."""

    def random(self) -> float:
        """See ``Effects``."""
        return random.random()  # noqa: S311 - no secret

    def uuid(self) -> str:
        """See ``Effects``."""
        return str(uuid.uuid4())

    def append(
        self,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...] = (),
    ) -> bool:
        """See ``Effects``."""
        with self._appending:
            return self._append(entries, journaled, consumed)

    def unsaved(self, entries: Unsaved) -> None:
        """Leave it to the next action or the commit: this process is not killed."""

    def bounded(self, seconds: float) -> None:
        """Leave it to the skipping clock."""

    def enter(
        self, action: str, ordinal: int, seconds: float | None, *, beside: bool
    ) -> Unwatched:
        """Watch over nothing: a breakpoint in an action must not run out of time."""
        return Unwatched()

    def tried(
        self, action: str, seconds: float | None, error: str, *, last: bool
    ) -> None:
        """Count nothing: tests look at what came of it."""

    def lost(self) -> bool:
        """Return False: nobody else is there."""
        return False

    def beside(self, work: Callable[[], None]) -> None:
        """Run it on a thread of its own."""
        threading.Thread(target=work, daemon=True).start()

    def pause(self, seconds: float) -> bool:
        """Never wait in a thread: suspended, it can be skipped."""
        return False


class Unwatched:
    """The watch over an action whose time never is over."""

    hit = False

    def start(self) -> None:
        """Do nothing."""

    def extend(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""
