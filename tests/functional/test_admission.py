"""What stands before one thread of a worker: who begins, waits or is put back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest
import redis

from tests.servers import Server, wait_until
from workflow_worker.board import Board
from workflow_worker.broker import boot, claim, fleet, quarantine
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.model import Overdue, PutBack, Record, Route, Task
from workflow_worker.worker import admission
from workflow_worker.worker.admission import Admission
from workflow_worker.worker.floods import Floods
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.quarantine import Quarantine

PARTITION = Partition("t")


class Worker:
    """One worker's gate and some of its threads, on a real server."""

    def __init__(self, url: str, name: str = "a") -> None:
        self.link = Link(url)
        self.owner = Owner(name, PARTITION, 1000, 60_000, 60_000, 100)
        self.leases = Leases(self.owner, Link(url), 60_000, lambda _: None)
        self.uncommitted = 0
        self.looks = 0
        self.gate = Quarantine(5, self.look)
        self.floods = Floods(1, lambda _: None)
        self.url = url
        self.board = Board.create(1, 8)
        self.answers: dict[str, bool] = {}
        self.threads: list[threading.Thread] = []
        boot.check(self.link, PARTITION)
        fleet.register(self.link, PARTITION, (Route("w", names=("go",)),))

    def look(self) -> int:
        self.looks += 1
        return self.uncommitted

    def door(self, lane: int) -> Admission:
        """What stands before the thread of this lane."""
        return Admission(
            self.gate,
            self.floods,
            self.leases,
            self.board.slots[0].lane(lane),
            Link(self.url),
            30_000,
        )

    def task(self, db: redis.Redis, deliveries: int = 1, **more: object) -> Task:
        """Return one leased task that was handed out so often."""
        marks = {"_workflow": "w", "_deliveries": deliveries - 1}
        db.xadd(PARTITION.events, {"name": "go", **marks})
        [task] = claim.take(self.link, self.owner, 1).tasks
        task = msgspec.structs.replace(task, **more)
        self.leases.hold([task])
        return task

    def start(self, name: str, ask: Callable[[], bool]) -> None:
        def answer() -> None:
            self.answers[name] = ask()

        thread = threading.Thread(target=answer)
        thread.start()
        self.threads.append(thread)

    def commit(self, task: Task) -> None:
        """Let go of a task as its commit does."""
        self.leases.release(task)

    def end(self) -> None:
        self.gate.drain()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def worker(valkey: Server, db: redis.Redis) -> Iterator[Worker]:
    made = Worker(valkey.url)
    yield made
    made.end()


def put_back(db: redis.Redis) -> int:
    return int(db.zcard(PARTITION.timers))


def retry(workflow: str = "w") -> dict[str, object]:
    return {"workflow": workflow, "record": Record(1, "running", retry=True)}


def test_an_innocent_event_waits_while_a_suspect_runs(
    worker: Worker, db: redis.Redis
) -> None:
    suspect, innocent = worker.task(db, 3), worker.task(db, 2)
    one, other = worker.door(0), worker.door(1)
    assert one.enter(suspect)
    worker.start("innocent", lambda: other.enter(innocent))
    # A second suspect is told at once; the innocent one has had as long.
    assert not worker.gate.close(0.0)
    assert worker.answers == {}
    worker.commit(suspect)
    one.leave(suspect)
    wait_until(lambda: worker.answers.get("innocent"))


def test_a_suspect_is_not_over_before_it_is_committed(
    worker: Worker, db: redis.Redis
) -> None:
    suspect = worker.task(db, 4)
    door = worker.door(0)
    assert door.enter(suspect)
    worker.start("suspect", lambda: door.leave(suspect) is None)
    assert not worker.gate.close(0.05)
    assert db.get("{t:0}:quarantine") == b"a"
    worker.commit(suspect)
    wait_until(lambda: worker.answers.get("suspect"))
    assert worker.gate.close(0.0)
    assert not db.exists("{t:0}:quarantine")


def test_what_waits_at_the_gate_is_not_shown_as_running(
    worker: Worker, db: redis.Redis
) -> None:
    suspect, innocent = worker.task(db, 3), worker.task(db)
    lane = worker.board.slots[0].lane(1)
    one, other = worker.door(0), worker.door(1)
    one.enter(suspect)
    lane.start(1, 0, 1, b"w", b"what ran before")
    worker.start("innocent", lambda: other.enter(innocent))
    wait_until(lambda: lane.view(1) is None)


def test_a_suspect_whose_worker_does_not_rest_is_put_back_uncounted(
    worker: Worker, db: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 0.02)
    busy, suspect = worker.task(db), worker.task(db, 3)
    assert worker.door(0).enter(busy)
    assert not worker.door(1).enter(suspect)
    assert (put_back(db), worker.leases.owns(suspect)) == (1, False)
    assert worker.door(2).enter(worker.task(db))
    later = Owner("b", Partition("t", ahead_ms=60_000), 1000, 1, 1, 1)
    [task] = wait_until(lambda: claim.take(worker.link, later, 1).tasks)
    assert (task.deliveries, task.put_back) == (3, PutBack.SUSPECT)


def test_a_suspect_that_was_put_back_for_long_waits_as_long_as_it_takes(
    worker: Worker, db: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 0.0)
    waited = {"waited_ms": 61_000, "put_back": PutBack.SUSPECT}
    suspect, door = worker.task(db, 4, **waited), worker.door(0)
    worker.uncommitted = 1
    worker.start("suspect", lambda: door.enter(suspect))
    wait_until(lambda: worker.looks)
    # It holds up nobody elsewhere meanwhile.
    assert not db.exists("{t:0}:quarantine")
    worker.uncommitted = 0
    wait_until(lambda: worker.answers.get("suspect"))
    assert db.get("{t:0}:quarantine") == b"a"
    worker.commit(suspect)
    door.leave(suspect)


def test_a_suspect_whose_lock_another_worker_has_stops_nobody(
    worker: Worker, db: redis.Redis
) -> None:
    other = Owner("b", PARTITION, 1000, 1, 1, 1)
    quarantine.hold(worker.link, other, 60_000)
    busy, suspect = worker.task(db), worker.task(db, 4)
    worker.door(0).enter(busy)
    assert not worker.door(1).enter(suspect)
    assert not worker.gate.closed
    assert put_back(db) == 1
    assert db.get("{t:0}:quarantine") == b"b"


def test_two_suspects_of_one_worker_do_not_share_the_lock(
    worker: Worker, db: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 600.0)
    first, second = worker.task(db, 4), worker.task(db, 4)
    one, other = worker.door(0), worker.door(1)
    assert one.enter(first)
    worker.start("second", lambda: other.enter(second))
    wait_until(lambda: "second" in worker.answers)
    assert not worker.answers["second"]
    assert db.get("{t:0}:quarantine") == b"a"
    assert put_back(db) == 1


def test_what_lost_its_lease_while_it_waited_does_not_begin(
    worker: Worker, db: redis.Redis
) -> None:
    suspect, innocent = worker.task(db, 3), worker.task(db)
    one, other = worker.door(0), worker.door(1)
    one.enter(suspect)
    worker.start("innocent", lambda: other.enter(innocent))
    worker.leases.release(innocent)
    worker.commit(suspect)
    one.leave(suspect)
    wait_until(lambda: "innocent" in worker.answers)
    assert not worker.answers["innocent"]
    assert worker.door(2).enter(worker.task(db, 3))


def test_retries_of_a_flooded_workflow_are_put_back_beyond_their_share(
    worker: Worker, db: redis.Redis
) -> None:
    worker.floods.flooded = frozenset("w")
    first, second, third = (worker.task(db, **retry()) for _ in range(3))
    one = worker.door(0)
    assert one.enter(first)
    assert not worker.door(1).enter(second)
    assert put_back(db) == 1
    one.leave(first)
    assert worker.door(2).enter(third)


def test_a_flood_holds_back_nothing_but_retries_of_that_workflow(
    worker: Worker, db: redis.Redis
) -> None:
    worker.floods.flooded = frozenset("w")
    assert worker.door(0).enter(worker.task(db, **retry()))
    assert worker.door(1).enter(worker.task(db))
    assert worker.door(2).enter(worker.task(db, **retry("other")))
    overdue = worker.task(db, overdue=Overdue("1-0"), **retry())
    assert worker.door(3).enter(overdue)
    assert put_back(db) == 0
