"""The committer thread: groups what is ready and carries it out in one call.

Owns the knowledge of what became durable. A decision that was made stays made: while
Redis is away it waits here, and nothing is dropped but what another worker owns.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from workflow_worker import clock
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.commit import Item, Landed, Retention, commit
from workflow_worker.broker.connection import Link
from workflow_worker.errors import OutcomeUnknown, Rejected, Unavailable
from workflow_worker.worker.doorbell import Doorbell
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.tally import Tally

log = logging.getLogger(__name__)

MOST = 500
"""Most decisions in one call: the server serves nobody else meanwhile."""


class Committer:
    """Takes decisions from the pool's threads and commits them.

    Args:
        link: connection for commits alone.
        leases: what is held; each commit lets go.
        retention: how long results are kept.
        tally: where commits are counted.
        linger: tells how many seconds to wait for more that is about to come.
        on_commit: called after every commit, to wake the reader.
        on_landed: is told what became durable; None for nobody.
    """

    def __init__(
        self,
        link: Link,
        leases: Leases,
        retention: Retention,
        tally: Tally,
        linger: Callable[[], float],
        on_commit: Callable[[], None],
        on_landed: Callable[[list[tuple[Item, Landed]]], None] | None = None,
    ) -> None:
        self._link = link
        self._leases = leases
        self._retention = retention
        self._tally = tally
        self._linger = linger
        self._on_commit = on_commit
        self._on_landed = on_landed
        self._ready: deque[Item] = deque()
        self._bell = Doorbell()
        self._ending = False
        self.outstanding = 0
        """Decisions of the call under way."""

    @property
    def waiting(self) -> int:
        """How many decisions are not durable yet."""
        return len(self._ready) + self.outstanding

    def put(self, item: Item) -> None:
        """Hand over a decision; returns at once."""
        self._ready.append(item)
        self._bell.ring()

    def end(self) -> None:
        """Commit what is there, then return from :meth:`run`."""
        self._ending = True
        self._bell.ring()

    def run(self) -> None:
        """Commit whatever is ready until told to end."""
        while True:
            self._bell.sleeping = True
            if not self._ready:
                if self._ending:
                    break
                self._bell.sleep()
                continue
            self._bell.sleeping = False
            pause = self._linger()
            if pause:
                clock.sleep(pause)
            self._commit_ready()
        self._link.close()

    def _commit_ready(self) -> None:
        ready = self._ready
        # Before they leave the queue: whoever looks at what waits must not miss them.
        self.outstanding = most = min(len(ready), MOST)
        batch = [ready.popleft() for _ in range(most)]
        self._leases.settling = [task for task, _ in batch]
        for owner, items in self._by_owner(batch).items():
            answers = self._insist(owner, items)
            if Landed.HELD in answers:
                self._insist_on_letters(owner, items, answers)
            pairs = zip(items, answers, strict=True)
            self._settle(items, [pair for pair in pairs if pair[1]])
        self.outstanding = 0
        self._leases.settling = []
        self._on_commit()

    def _by_owner(self, batch: list[Item]) -> dict[Owner, list[Item]]:
        # In this order: whoever renames notes the former name first.
        owner = self._leases.owner
        if not self._leases.renamed:
            return {owner: batch}
        groups: dict[Owner, list[Item]] = {}
        for item in batch:
            groups.setdefault(self._leases.owner_of(item[0]), []).append(item)
        return groups

    def _settle(self, items: list[Item], landed: list[tuple[Item, Landed]]) -> None:
        self._leases.release(*(task for task, _ in items))
        self._tally.committed(landed)
        if self._on_landed is not None:
            self._on_landed(landed)
        if len(landed) < len(items):
            self._tally.lost(len(items) - len(landed))
            log.warning(
                "%d of %d decisions came too late: their leases are lost, another "
                "worker owns the events",
                len(items) - len(landed),
                len(items),
            )

    def _insist(self, owner: Owner, items: list[Item]) -> list[Landed]:
        """Commit, however long Redis is away; the reader tells the log about that."""
        pause = 0.05
        unsure = False
        while True:
            try:
                answers = commit(self._link, owner, items, self._retention)
            except (Unavailable, Rejected) as error:
                unsure = unsure or isinstance(error, OutcomeUnknown)
                log.debug("commit of %d waits: %s", len(items), error)
                clock.sleep(pause)
                pause = min(pause * 2, 1.0)
            else:
                # A commit whose reply was lost answers 'fenced' the second time: it
                # landed, or its entry was taken over and is counted there.
                return [_believed(answer, unsure) for answer in answers]

    def _insist_on_letters(
        self, owner: Owner, items: list[Item], answers: list[Landed]
    ) -> None:
        """Commit what fails, too, however long its letter can't be written."""
        log.error(
            "%d dead letters can't be written: their key holds something else; commits "
            "wait until it is removed",
            answers.count(Landed.HELD),
        )
        while held := [at for at, each in enumerate(answers) if each is Landed.HELD]:
            clock.sleep(1.0)
            again = self._insist(owner, [items[at] for at in held])
            for at, answer in zip(held, again, strict=True):
                answers[at] = answer


def _believed(answer: Landed, unsure: bool) -> Landed:
    return Landed.COMMITTED if unsure and answer is Landed.LOST else answer
