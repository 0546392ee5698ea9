"""The thread that renews the locks of a process, and lets go of what nobody could.

Runs only while there is something to do. If it died, the locks would run out, and their
holders would know it by the clock.
"""

from __future__ import annotations

import logging
import math
import threading
import weakref

from workflow_worker.broker import locking
from workflow_worker.broker.connection import TIMEOUT, Link
from workflow_worker.broker.keys import Partition
from workflow_worker.clock import monotonic
from workflow_worker.errors import Rejected, Unavailable
from workflow_worker.locks.grip import Grip

log = logging.getLogger(__name__)

_LONGEST = 10.0
"""Seconds the thread sleeps at most, and so outlives the last lock: to start another
for each lock would cost as much as a round trip."""


class Keeper:
    """Renews locks while they are held; one for a process.

    A lock that nobody refers to any more is not renewed: an exception where nothing
    could catch it has ended its holder.

    Args:
        url: where the server is.
        partition: whose keys they are.
    """

    def __init__(self, url: str, partition: Partition) -> None:
        self._url = url
        self._partition = partition
        self._changed = threading.Condition()
        """Guards what is to do, and tells the thread that there is more."""
        self._held: weakref.WeakSet[Grip] = weakref.WeakSet()
        self._leaving: set[Grip] = set()
        self._thread: threading.Thread | None = None
        self._planned = math.inf
        """Monotonic seconds until when the thread sleeps, if nobody wakes it."""
        self._timeout = TIMEOUT
        self._link = Link(url)
        """The thread's alone, like the timeout."""

    def keep(self, grip: Grip) -> None:
        """Renew it from now on."""
        with self._changed:
            self._held.add(grip)
            self._see_to(grip)

    def drop(self, grip: Grip) -> bool:
        """Renew it no more; tell whether it was renewed up to now."""
        with self._changed:
            kept = grip in self._held
            self._held.discard(grip)
            return kept

    def let_go(self, grip: Grip) -> None:
        """Let go of it as soon as Redis can be reached; else it runs out."""
        with self._changed:
            self._held.discard(grip)
            self._leaving.add(grip)
            grip.due = monotonic()
            self._see_to(grip)

    def _see_to(self, grip: Grip) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="locks", daemon=True)
            self._thread.start()
        elif grip.due < self._planned:
            self._changed.notify()

    # --- the thread ---------------------------------------------------------------

    def _run(self) -> None:
        while True:
            while self._sleep():
                self._work()
            self._link.close()
            with self._changed:
                if not self._held and not self._leaving:
                    self._thread = None
                    return

    def _sleep(self) -> bool:
        """Return when something is due; False if there is nothing to wait for."""
        with self._changed:
            while True:
                # Nothing here may refer to a lock while the thread sleeps.
                due = min((g.due for g in (*self._held, *self._leaving)), default=None)
                pause = 0.0 if due is None else due - monotonic()
                if pause <= 0:
                    return due is not None
                self._planned = due or 0.0
                self._changed.wait(min(pause, _LONGEST))
                self._planned = math.inf

    def _work(self) -> None:
        now = monotonic()
        with self._changed:
            held = [grip for grip in self._held if grip.due <= now]
            leaving = [grip for grip in self._leaving if grip.due <= now]
        self._hurry(min((grip.patience for grip in held), default=TIMEOUT))
        if held:
            self._renew(held)
        for grip in leaving:
            self._release(grip)

    def _hurry(self, timeout: float) -> None:
        """Have a call that is not answered leave time for another one."""
        if timeout < self._timeout:
            self._link.close()
            self._link = Link(self._url, timeout=timeout)
            self._timeout = timeout

    def _renew(self, grips: list[Grip]) -> None:
        asked_at = monotonic()
        try:
            kept = locking.keep(self._link, self._partition, [g.claim for g in grips])
        except (Unavailable, Rejected) as error:
            for grip in grips:
                self._renew_later(grip, error)
            return
        for grip, is_kept in zip(grips, kept, strict=True):
            if is_kept and grip.extend(asked_at):
                continue
            grip.lose()
            self._say_lost(grip, "another owner has it, or none")

    def _renew_later(self, grip: Grip, error: Exception) -> None:
        if grip.lost:
            self._say_lost(grip, error)
        else:
            log.debug("lock %s is renewed later: %s", grip.claim.name, error)
            grip.due = monotonic() + grip.pause

    def _say_lost(self, grip: Grip, why: object) -> None:
        # Its holder may have let go of it meanwhile.
        if self.drop(grip):
            log.warning("lock %s is lost: %s", grip.claim.name, why)

    def _release(self, grip: Grip) -> None:
        try:
            locking.release(self._link, self._partition, grip.claim)
        except (Unavailable, Rejected) as error:
            if not grip.lost:
                log.debug("lock %s is let go of later: %s", grip.claim.name, error)
                grip.due = monotonic() + grip.pause
                return
        with self._changed:
            self._leaving.discard(grip)
