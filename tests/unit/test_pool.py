"""The queue before the threads of a worker."""

from __future__ import annotations

import msgspec

from workflow_worker import App
from workflow_worker.board import Board
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.commit import Retention
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.model import Decision, Outcome, Overdue, Task
from workflow_worker.runtime.execute import Runner
from workflow_worker.settings import Settings
from workflow_worker.worker.committer import Committer
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.meter import Meter
from workflow_worker.worker.pool import Pool
from workflow_worker.worker.tally import Tally


def task(number: int, overdue: Overdue | None = None) -> Task:
    entry = f"{number}-0"
    return Task(entry, 1, 1, f"0-{entry}.w", "w", None, overdue=overdue)


def idle_pool(threads: int = 5) -> Pool:
    """A pool whose threads were not started."""
    settings = Settings(concurrency_limit=threads)
    owner = Owner("a", Partition("t"), 1, 1, 1, 1)
    leases = Leases(owner, Link(settings.redis_url), 60_000, lambda _: None)
    slot = Board.create(1, 16).slots[0]
    runner = Runner(App("a"), max_payload_bytes=1000)
    pool = Pool(settings, runner, leases, slot, Meter((), ()))
    pool.committer = Committer(
        Link("redis://127.0.0.1"),
        leases,
        Retention(1, 1),
        Tally(Board.create(1, 1).slots[0], Meter((), ())),
        pool.linger,
        pool.room_bell.ring,
    )
    return pool


def test_nothing_is_read_while_a_suspect_is_held() -> None:
    pool = idle_pool()
    suspect = msgspec.structs.replace(task(1), deliveries=9)
    pool.leases.hold([suspect])
    pool.put([suspect])
    assert pool.room() == 0
    pool.leases.release(suspect)
    assert pool.room() > 0


def test_what_a_worker_was_killed_for_is_not_given_back() -> None:
    pool = idle_pool()
    kept = task(2, Overdue("2-0"))
    pool.put([task(1), kept, task(3)])
    assert pool.withdraw() == [task(1), task(3)]
    assert pool.line.next() is kept
    assert pool.line.next() is None


MS = 0.001


def lingers(pool: Pool, seconds: float, *, waiting: bool = True) -> float:
    """How long a commit waits for company where events run so long."""
    pool.pressed = waiting
    pool._pace = seconds
    return pool.linger()


def test_a_commit_waits_as_long_as_an_event_runs_within_bounds() -> None:
    pool = idle_pool(threads=10)
    assert lingers(pool, 0.01 * MS) == 3 * MS
    assert lingers(pool, 5 * MS) == 5 * MS
    assert lingers(pool, 20 * MS) == 8 * MS


def test_a_commit_waits_for_nobody_where_hardly_any_other_event_ends() -> None:
    assert lingers(idle_pool(threads=10), 41 * MS) == 0
    assert lingers(idle_pool(threads=1), 5 * MS) == 0


def test_a_commit_waits_for_nobody_where_nothing_waits_for_a_thread() -> None:
    pool = idle_pool(threads=10)
    assert lingers(pool, 1 * MS, waiting=False) == 0
    pool.line.put([task(1)], 0)
    assert lingers(pool, 1 * MS, waiting=False) == 3 * MS


def wanted(pool: Pool, held: int, seconds: float) -> int:
    """How many more it wants that holds so many, of events that run so long."""
    for each in tuple(pool.leases.held.values()):
        pool.leases.release(each)
    pool.leases.hold([task(number) for number in range(held)])
    pool._pace = seconds
    return pool.room()


def test_of_short_events_a_batch_comes_while_another_is_worked_off() -> None:
    pool = idle_pool(threads=5)
    assert [wanted(pool, held, 1e-5) for held in (0, 10, 15)] == [10, 10, 10]
    assert [wanted(pool, held, 1e-5) for held in (16, 20, 25)] == [0, 0, 0]


def test_of_long_events_no_more_is_read_than_there_are_threads() -> None:
    pool = idle_pool(threads=5)
    assert [wanted(pool, held, 1.0) for held in (0, 3, 5)] == [5, 2, 0]


def test_what_is_read_ahead_is_run_within_a_moment() -> None:
    pool = idle_pool(threads=5)
    # 50 ms of five threads are ten events of 25 ms.
    assert [wanted(pool, held, 0.025) for held in (5, 10, 11)] == [10, 5, 0]


def test_before_the_first_event_every_thread_gets_one() -> None:
    assert idle_pool(threads=5).room() == 5


def test_it_is_busy_when_every_thread_has_something_to_run() -> None:
    pool = idle_pool(threads=2)
    pool.leases.hold([task(1)])
    assert not pool.busy()
    pool.leases.hold([task(2)])
    assert pool.busy()
    pool.committer.put((task(2), Decision(Outcome.COMPLETED)))
    assert not pool.busy()
