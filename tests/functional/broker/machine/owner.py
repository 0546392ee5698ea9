"""An owner of entries: a worker reduced to what it does to the database."""

from __future__ import annotations

import json
from collections.abc import Sequence

import redis

from tests.functional.broker.machine.books import Ledger
from tests.functional.broker.machine.broken import expect, same
from tests.functional.broker.machine.plan import TRIES, Outside
from tests.functional.broker.machine.toy import Lost, Run
from tests.functional.broker.machine.view import snapshot
from workflow_worker.broker import claim, commit, journal
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.commit import Landed, Retention
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.model import Task

EARLY_TTL_MS = 150_000
INBOX_LIMIT = 4
LONG_MS = 10**11
RETENTION = Retention(LONG_MS, result_limit=1000)
"""Nothing is forgotten: the books are closed over all that ever ran."""


class Base:
    """What all owners share: the database, the clock, the world, the ledger."""

    def __init__(self, url: str, client: redis.Redis, partition: Partition) -> None:
        self.link = Link(url)
        self.client = client
        self.partition = partition
        self.outside = Outside(self.now_ms, lambda: self.partition.ahead_ms)
        self.ledger = Ledger()
        self.known: list[str] = []
        """Executions that ever ran."""
        self.holders: dict[str, tuple[str, int]] = {}
        """Who was last to get an entry, and its count then."""

    def now_ms(self) -> int:
        """Read the clock that the scripts go by."""
        seconds, microseconds = self.client.time()
        return int(seconds * 1000 + microseconds // 1000 + self.partition.ahead_ms)


class Worker:
    """What one owner holds, and how far it has come with it.

    It never learns by itself that it lost something: it is paused whenever it is not
    its turn, and comes back believing what it believed.
    """

    def __init__(self, base: Base, name: str) -> None:
        self.base, self.name = base, name
        self.runs: list[Run] = []
        self.reply_lost = False

    @property
    def owner(self) -> Owner:
        """As whom it speaks, at the present time."""
        return Owner(
            self.name, self.base.partition, 10_000, 10**9, EARLY_TTL_MS, INBOX_LIMIT
        )

    @property
    def undecided(self) -> list[Run]:
        return [run for run in self.runs if not run.decision]

    @property
    def decided(self) -> list[Run]:
        return [run for run in self.runs if run.decision]

    @property
    def stale(self) -> list[Run]:
        """What others got meanwhile."""
        held = self.base.holders
        return [
            run
            for run in self.runs
            if held[run.task.entry] != (self.name, run.task.count)
        ]

    # Getting entries.

    def take(self, most: int, *, reply_lost: bool = False) -> int:
        taken = claim.take(self.base.link, self.owner, most)
        self.reply_lost = self.reply_lost or reply_lost
        if not reply_lost:
            self._hold(taken.tasks)
        return len(taken.tasks)

    def claim(self, most: int) -> int:
        """Take from others what the lease ran out for."""
        tasks = claim.claim(self.base.link, self.owner, 0, most).tasks
        self._hold(tasks)
        return len(tasks)

    def adopt(self, dead: str, started: Sequence[str]) -> None:
        """Take over from the dead; with its own name: what a lost reply held."""
        held = [run.task.entry for run in self.runs] if dead == self.name else []
        _, taken = claim.adopt(
            self.base.link,
            self.owner,
            dead,
            started=started,
            held=held,
        )
        self._hold(taken.tasks)

    def _hold(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self.runs.append(Run(task, self.base.outside))
            self.base.holders[task.entry] = self.name, task.count
            if task.execution_id not in self.base.known:
                self.base.known.append(task.execution_id)

    # Running.

    def go_on(self, run: Run, *, twice: bool = False) -> None:
        """Run up to the next action, or to the decision; void if it was lost."""

        def append(
            entries: tuple[bytes, ...], journaled: int, consumed: tuple[str, ...]
        ) -> journal.Appended:
            mine = self.owns(run)
            before = None if mine else snapshot(self.base.client)
            for _ in range(1 + twice):
                answer = journal.append(
                    self.base.link,
                    self.owner,
                    run.task,
                    entries,
                    journaled,
                    "1",
                    consumed,
                )
                same(bool(answer), mine, "fencing", f"append of {run.id}")
            if mine:
                self.base.ledger.retries[run.id] += tries_in(entries)
            self._unchanged(before, f"append of {run.id}")
            return answer

        try:
            run.go_on(append)
        except Lost:
            self.runs.remove(run)

    def owns(self, run: Run) -> bool:
        """Ask the server, not a script, whether the entry is still this owner's."""
        entry, count = run.task.entry, run.task.count
        rows = self.base.client.xpending_range(
            self.base.partition.events, "workers", entry, entry, 1, self.name
        )
        return bool(rows) and rows[0]["times_delivered"] == count

    def _unchanged(self, before: dict[bytes, bytes | None] | None, what: str) -> None:
        if before is None:
            return
        after = snapshot(self.base.client)
        changed = [
            k for k in before.keys() | after.keys() if before.get(k) != after.get(k)
        ]
        expect(not changed, "fencing", f"{what} changed {changed}")

    def run(self, runs: Sequence[Run]) -> None:
        """Run each to its end, or until it is lost."""
        for run in list(runs):
            while run in self.runs and not run.decision:
                self.go_on(run)

    # Letting go.

    def commit(self, runs: Sequence[Run], *, twice: bool = False) -> None:
        """Commit what is decided, in one batch."""
        if not runs:
            return
        batch = [(run.task, run.decision) for run in runs if run.decision]
        mine = [self.owns(run) for run in runs]
        before = None if any(mine) else snapshot(self.base.client)
        answers = commit.commit(self.base.link, self.owner, batch, RETENTION)
        same([bool(answer) for answer in answers], mine, "fencing", "commit")
        self._unchanged(before, "commit")
        if twice:
            again = commit.commit(self.base.link, self.owner, batch, RETENTION)
            expect(not any(again), "single commit", "the same commit landed twice")
        for run, answer in zip(runs, answers, strict=True):
            self._landed(run, answer)

    def _landed(self, run: Run, answer: Landed) -> None:
        self.runs.remove(run)
        decision, ledger = run.decision, self.base.ledger
        if not answer or decision is None:
            return
        ledger.steps[run.id] += 1
        ledger.retries[run.id] += tries_in(decision.entries)
        turned = answer is Landed.CANCELLED
        wanted = run.id in ledger.asked and not decision.ending
        same(turned, wanted, "cancel", f"{run.id} {decision.outcome}")
        if not turned:
            ledger.retries[run.id] += decision.attempt > 0
            ledger.emitted.update(emit.name for emit in decision.emits)
            ledger.children += len(decision.children)

    def renew(self) -> None:
        """Renew everything, and keep what was lost, as one who did not look."""
        mine = [self.owns(run) for run in self.runs]
        before = None if any(mine) else snapshot(self.base.client)
        held = [(run.task.entry, run.task.count) for run in self.runs]
        answers = claim.renew(self.base.link, self.owner, held)
        same(answers, mine, "fencing", "renew")
        same([self.owns(run) for run in self.runs], mine, "fencing", "renewed")
        self._unchanged(before, "renew")

    def requeue(self, runs: Sequence[Run], delay_ms: int) -> None:
        """Give back what did not begin, or was not decided."""
        mine = [self.owns(run) for run in runs]
        before = None if any(mine) else snapshot(self.base.client)
        tasks = [run.task for run in runs]
        answers = claim.requeue(self.base.link, self.owner, tasks, delay_ms)
        same(answers, mine, "fencing", "requeue")
        self._unchanged(before, "requeue")
        for run in runs:
            self.runs.remove(run)

    def leave(self) -> bool:
        """Go, if nothing is leased to it any more."""
        rows = self.base.client.xpending_range(
            self.base.partition.events, "workers", "-", "+", 1, self.name
        )
        left = claim.leave(self.base.link, self.owner)
        same(left, not rows, "conservation", "leave")
        return left


def tries_in(entries: Sequence[bytes]) -> int:
    """Count the entries of tries that failed and were not the last."""
    return sum(json.loads(entry)["kind"] in TRIES for entry in entries)
