"""What this worker holds, and keeping it: the one list of entries it owns.

An entry is held from the take that brought it to the commit, requeue or loss that ends
it: queued, running and waiting for its commit alike. So is the partition's quarantine
lock, while a suspect runs under it. Renewal is the keeper thread's; a pool thread does
it itself when the last one is too old to start anything on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from workflow_worker.broker import claim, quarantine
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.clock import monotonic
from workflow_worker.errors import LeaseLost, Rejected, Unavailable
from workflow_worker.model import Task

log = logging.getLogger(__name__)


class Leases:
    """The entries this worker owns.

    Args:
        owner: the consumer new entries are taken as.
        link: connection for renewals alone.
        lease_ms: after so long without renewal others take over.
        on_lost: called with how many leases were found lost.
    """

    def __init__(
        self, owner: Owner, link: Link, lease_ms: int, on_lost: Callable[[int], None]
    ) -> None:
        self.owner = owner
        self.held: dict[str, Task] = {}
        self.settling: list[Task] = []
        """Those a commit is under way for: the server may have let go of them already,
        which is no loss. Replaced as a whole by the committer."""
        self._former: dict[str, Owner] = {}
        self._quarantined: Owner | None = None
        self._link = link
        self._lease = lease_ms / 1000
        self._on_lost = on_lost
        self._renewing = threading.Lock()
        """Guards the link: a renewal is one conversation."""
        self._renewed_at = monotonic()

    @property
    def lease(self) -> float:
        """Seconds."""
        return self._lease

    def hold(self, tasks: list[Task]) -> None:
        """Note entries just taken."""
        for task in tasks:
            self.held[task.entry] = task

    def release(self, *tasks: Task) -> None:
        """Let go of entries: committed, given back or lost."""
        held = self.held
        for task in tasks:
            # The same entry may be held anew, lost and claimed back: then it stays.
            if held.get(task.entry) is task:
                del held[task.entry]
                if self._former:
                    self._former.pop(task.entry, None)

    def owns(self, task: Task) -> bool:
        """Tell whether the entry is still held, as far as is known here."""
        return self.held.get(task.entry) is task

    def owner_of(self, task: Task) -> Owner:
        """Return the name the entry was taken under."""
        return self._former.get(task.entry, self.owner) if self._former else self.owner

    @property
    def renamed(self) -> bool:
        """Whether anything is held under a former name."""
        return bool(self._former)

    def rename(self, owner: Owner) -> None:
        """Take new entries under another name; what is held stays under its own.

        After the server lost its tail, old pairs of name and count can come back.
        """
        for entry in list(self.held):
            self._former.setdefault(entry, self.owner)
        self.owner = owner

    def renew(self) -> None:
        """Renew everything held; what another worker owns by now is let go.

        Raises:
            Unavailable: the leases run on unrenewed.
        """
        with self._renewing:
            asked_at = monotonic()
            for owner, tasks in self._by_owner().items():
                pairs = [(task.entry, task.count) for task in tasks]
                answers = claim.renew(self._link, owner, pairs)
                lost = [t for t, kept in zip(tasks, answers, strict=True) if not kept]
                self._lose([task for task in lost if self._is_taken(task)])
            self._renewed_at = asked_at
            if self._quarantined and not self._lock(self._quarantined):
                log.warning("the quarantine lock is lost: two suspects may run at once")
                self._quarantined = None

    def _is_taken(self, task: Task) -> bool:
        # In this order: whoever settles lets go of it before it is done settling.
        settling = any(task is other for other in self.settling)
        return not settling and self.owns(task)

    def _by_owner(self) -> dict[Owner, list[Task]]:
        sorted_tasks: dict[Owner, list[Task]] = {}
        for task in list(self.held.values()):
            sorted_tasks.setdefault(self.owner_of(task), []).append(task)
        return sorted_tasks

    def _lose(self, tasks: list[Task]) -> None:
        for task in tasks:
            self.release(task)
            log.warning(
                "lease of %s lost: another worker runs it now", task.execution_id
            )
        if tasks:
            self._on_lost(len(tasks))

    def fresh(self) -> bool:
        """Tell whether the last renewal is young enough to start something on it."""
        return monotonic() - self._renewed_at < self._lease * 2 / 3

    def ensure(self, task: Task) -> None:
        """Return only if this worker surely owns the entry for a while.

        Raises:
            LeaseLost: it does not, or can't know.
            Unavailable: Redis could not be asked.
        """
        if not self.fresh():
            self.renew()
        if not self.owns(task):
            raise LeaseLost(task.execution_id)

    def begin_quarantine(self, task: Task) -> bool:
        """Hold the partition's quarantine lock from now on; False if others have it.

        Args:
            task: the suspect it is for.

        Raises:
            Unavailable, Rejected: Redis can't give it now.
        """
        with self._renewing:
            owner = self.owner_of(task)
            if self._lock(owner):
                self._quarantined = owner
            return self._quarantined is not None

    def end_quarantine(self) -> None:
        """Let go of the quarantine lock, if it is held."""
        with self._renewing:
            owner, self._quarantined = self._quarantined, None
            if owner is None:
                return
            try:
                quarantine.release(self._link, owner)
            except (Unavailable, Rejected) as error:
                log.debug("the quarantine lock has to run out: %s", error)

    def _lock(self, owner: Owner) -> bool:
        return quarantine.hold(self._link, owner, int(self._lease * 1000))

    @property
    def due(self) -> float:
        """Seconds until the next renewal; it comes three times a lease."""
        return self._renewed_at + self._lease / 3 - monotonic()

    def close(self) -> None:
        """Close the link."""
        self._link.close()
