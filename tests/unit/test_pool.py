"""The queue before the threads of a worker."""

from __future__ import annotations

from workflow_worker import App
from workflow_worker.board import Board
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.model import Overdue, Task
from workflow_worker.runtime.execute import Runner
from workflow_worker.settings import Settings
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.pool import Pool


def task(number: int, overdue: Overdue | None = None) -> Task:
    entry = f"{number}-0"
    return Task(entry, 1, 1, f"0-{entry}.w", "w", None, overdue=overdue)


def test_what_a_worker_was_killed_for_is_not_given_back() -> None:
    settings = Settings()
    owner = Owner("a", Partition("t"), 1, 1, 1, 1)
    leases = Leases(owner, Link(settings.redis_url), 60_000, lambda _: None)
    slot = Board.create(1, 16).slots[0]
    pool = Pool(settings, Runner(App("a"), max_payload_bytes=1000), leases, slot)
    kept = task(2, Overdue("2-0"))
    pool.put([task(1), kept, task(3)])
    assert pool.withdraw() == [task(1), task(3)]
    assert pool.queue.get_nowait() is kept
    assert pool.queue.empty()
