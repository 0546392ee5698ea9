"""A rolling reload: new code and settings, one worker at a time.

Owns one round of it: a throw-away process imports the App; then, seat by seat, a
newcomer takes over. It must never block: the master's loop steps it.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from workflow_worker.clock import monotonic
from workflow_worker.health import ending
from workflow_worker.settings import Settings
from workflow_worker.supervisor.roster import ForkWorker, Roster
from workflow_worker.supervisor.seats import Seat
from workflow_worker.supervisor.swap import Swap

log = logging.getLogger(__name__)

REHEARSAL_LIMIT = 60.0
"""Seconds that importing the App may take."""
FIXED = ("http_host", "http_port", "http_token", "workflow_namespace")
"""Settings that need a restart: ports are bound and keys are chosen once."""

Rehearse = Callable[[Settings], int]
"""Forks a process that imports the App; returns its pid or raises OSError."""


class Round:
    """One rolling reload, from the rehearsal to the last newcomer.

    Args:
        roster: who is replaced.
        settings: what newcomers run with.
        fork: starts a newcomer.
        rehearse: starts the process that imports the App.
        opening: it is the start of the service, which a watcher will reload later.

    Attributes:
        settings: what newcomers run with.
        adopted: they are known to work, so replacements run with them too.
        done: it is over, whether it succeeded or not.
    """

    def __init__(
        self,
        roster: Roster,
        settings: Settings,
        fork: ForkWorker,
        rehearse: Rehearse,
        *,
        opening: bool = False,
    ) -> None:
        self.settings = settings
        self.adopted = False
        self.done = False
        self._roster = roster
        self._opening = opening
        self._fork = fork
        self._rehearsal = 0
        self._swap: Swap | None = None
        self._waiting: list[Seat] = []
        self._replaced = 0
        self._deadline = monotonic() + REHEARSAL_LIMIT
        if not opening:
            log.info("reloading: first a process of its own imports the App")
        try:
            self._rehearsal = rehearse(settings)
        except OSError as error:
            self._fail(f"no process could be started: {error}")

    @property
    def rehearsal(self) -> int:
        """Pid of the process that imports the App; 0 once it is over."""
        return self._rehearsal

    def rehearsed(self, status: int) -> None:
        """Note how the import of the App ended."""
        self._rehearsal = 0
        if self.done:
            return
        if status:
            self._fail(f"the App could not be imported ({ending(status)})")
            return
        self._waiting = [seat for seat in self._roster.seats if seat.worker]
        if not self._waiting:
            self.adopted = True
        self._roster.revive()

    def step(self, now: float) -> None:
        """Go on as far as possible without waiting."""
        if self.done:
            return
        if self._rehearsal:
            self._check(now)
        elif self._swap:
            self._go_on(self._swap, now)
        elif self._waiting:
            grace = self.settings.shutdown_timeout_ms / 1000
            seat = self._waiting.pop(0)
            self._swap = Swap(self._roster, seat, self._fork, grace)
            self._go_on(self._swap, now)
        else:
            self._finish()

    def cancel(self) -> None:
        """Give up: the service stops. The newcomer is the roster's to end."""
        self.done = True
        if self._rehearsal:
            os.kill(self._rehearsal, signal.SIGKILL)

    def _check(self, now: float) -> None:
        if now > self._deadline:
            self.cancel()
            self._fail(f"importing the App took over {REHEARSAL_LIMIT:.0f} s")

    def _go_on(self, swap: Swap, now: float) -> None:
        swap.step(now)
        if not swap.done:
            return
        self._swap = None
        if swap.failed:
            self._fail(swap.failed)
        else:
            self.adopted = True
            self._replaced += 1

    def _finish(self) -> None:
        self.done = True
        grace = self.settings.shutdown_timeout_ms / 1000
        self._roster.resize(self.settings.worker_count, grace)
        if not self._opening:
            count = len(self._roster.seats)
            log.info("reload finished: %d worker%s", count, "s" * (count != 1))

    def _fail(self, why: str) -> None:
        self.done = True
        living = sum(1 for seat in self._roster.seats if seat.worker)
        if self._replaced:
            new = f"{self._replaced} of {living}"
            log.error("reloaded in part, %s workers are new: %s", new, why)
        elif living:
            log.error("not reloaded, %d workers go on as they were: %s", living, why)
        else:
            log.error("not reloaded, and no worker runs: %s", why)


def merged(old: Settings, new: Settings, lanes: int, most: int) -> Settings:
    """Return the new settings, with the old ones where only a restart helps.

    Args:
        old: what the service runs with.
        new: what was read now.
        lanes: the highest CONCURRENCY_LIMIT the board has room for.
        most: the highest WORKER_COUNT it has room for.
    """
    fixed = {name for name in FIXED if getattr(old, name) != getattr(new, name)}
    if new.concurrency_limit > lanes:
        fixed.add("concurrency_limit")
    if new.worker_count > most:
        fixed.add("worker_count")
    for name in sorted(fixed):
        log.warning("%s changed: that needs a restart", name.upper())
    return dataclasses.replace(new, **{name: getattr(old, name) for name in fixed})


def fingerprint(package: Path) -> frozenset[tuple[str, int, int]]:
    """Return what tells one installed version of a package from another.

    Args:
        package: its folder.
    """
    kept = (path for path in package.rglob("*") if "__pycache__" not in path.parts)
    stats = ((path, path.stat()) for path in kept if path.is_file())
    try:
        return frozenset((str(path), s.st_mtime_ns, s.st_size) for path, s in stats)
    except OSError:  # another version is being installed at this moment
        return frozenset()
