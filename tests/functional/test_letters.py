"""What a client does about many dead letters: page by page, paced, stopped at will."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis

from tests.functional.broker.audit import Books
from tests.proxy import Proxy
from tests.servers import Server, wait_until
from workflow_worker.broker import boot, claim, commit, fleet
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.commit import Retention
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.client import Client, Handled
from workflow_worker.errors import Unavailable
from workflow_worker.model import Decision, Failure, Outcome, Route

PARTITION = Partition("wf")
FAST = 10_000.0


class Failing:
    """A worker without code: whatever it takes, fails or completes as it is told."""

    def __init__(self, url: str) -> None:
        self.link = Link(url)
        self.owner = Owner("a", PARTITION, 10_000, 60_000, 60_000, 100)
        boot.check(self.link, PARTITION)
        routes = (Route("fulfil", ("order",)), Route("refund", ("back",)))
        fleet.register(self.link, PARTITION, routes)

    def run(self, error: str = "", **why: bool) -> int:
        """Run all there is; return how many that were."""
        ran = 0
        decision = Decision(Outcome.COMPLETED)
        if error:
            failure = Failure("permanent", error, "no", **why)
            decision = Decision(Outcome.FAILED, failure=failure)
        while tasks := claim.take(self.link, self.owner, 50).tasks:
            batch = [(task, decision) for task in tasks]
            commit.commit(self.link, self.owner, batch, Retention(60_000, 100))
            ran += len(tasks)
        return ran


@pytest.fixture
def worker(valkey: Server, db: redis.Redis) -> Iterator[Failing]:
    worker = Failing(valkey.url)
    yield worker
    Books(db, PARTITION).check()
    worker.link.close()


@pytest.fixture
def client(valkey: Server) -> Iterator[Client]:
    with Client(valkey.url) as client:
        yield client


def fail(
    client: Client, worker: Failing, count: int, name: str = "order", **why: bool
) -> None:
    client.publish_many({"name": name} for _ in range(count))
    assert worker.run("shop.Empty", **why) == count


def test_all_are_redriven_once(client: Client, worker: Failing) -> None:
    fail(client, worker, 250)
    fail(client, worker, 30, "back")
    assert client.count_dead_letters() == 280
    done = client.redrive(everything=True, rate=FAST)
    assert done == Handled(280, 280, {"fulfil": 250, "refund": 30})
    assert (client.count_dead_letters(), client.backlog()[0]) == (0, 280)
    assert worker.run() == 280
    assert client.stats()["executions_completed"] == 280


def test_filters_are_combined(client: Client, worker: Failing) -> None:
    fail(client, worker, 3)
    fail(client, worker, 2, "back")
    ids = [letter.id for letter in client.dead_letters()]
    assert len(client.dead_letters(limit=4)) == 4
    found = client.dead_letters(after=ids[1], workflow="fulfil", error_type="Empty")
    assert [letter.id for letter in found] == ids[2:3]
    assert client.dead_letters(older_than=timedelta(hours=1)) == []
    assert client.count_dead_letters(workflow="refund", older_than=0) == 2
    assert client.redrive(ids[0], ids[4], workflow="refund").letters == 1
    assert client.purge(error_type="shop.Empty", workflow="fulfil").letters == 3
    assert [letter.id for letter in client.dead_letters()] == [ids[3]]


def test_something_must_be_chosen(client: Client, worker: Failing) -> None:
    fail(client, worker, 1)
    for ask in (client.redrive, client.purge):
        with pytest.raises(ValueError, match="which dead letters"):
            ask()
    assert client.count_dead_letters() == 1


def test_what_is_not_there_is_refused(client: Client, worker: Failing) -> None:
    fail(client, worker, 1)
    [letter] = client.dead_letters()
    for ask in (client.redrive, client.purge):
        done = ask("1-1", "nonsense", letter.id, workflow="refund")
        assert (done.letters, done.refused) == (0, 3)
        assert {refusal.id for refusal in done.refusals} == {
            "1-1",
            "nonsense",
            letter.id,
        }
        assert all("no such dead letter" in refusal.why for refusal in done.refusals)


def test_what_can_not_be_retried_stays_with_its_reason(
    client: Client, worker: Failing
) -> None:
    fail(client, worker, 130, undone=True)
    fail(client, worker, 1)
    done = client.redrive(everything=True, rate=FAST)
    assert (done.letters, done.refused, len(done.refusals)) == (1, 130, 100)
    assert "compensations have run" in done.refusals[0].why
    assert client.count_dead_letters() == 130


def test_what_fails_again_meanwhile_is_left_alone(
    client: Client, worker: Failing
) -> None:
    fail(client, worker, 60)

    def again(_: Handled) -> None:
        worker.run("shop.Empty")

    done = client.redrive(everything=True, rate=FAST, progress=again)
    assert done.letters == 60
    assert client.count_dead_letters() == 60


def test_what_fails_meanwhile_is_not_purged(client: Client, worker: Failing) -> None:
    fail(client, worker, 2)

    def confirm(count: int) -> bool:
        fail(client, worker, 1)
        return count == 2

    done = client.purge(everything=True, confirm=confirm)
    assert done == Handled(2, 2, {"fulfil": 2})
    assert client.count_dead_letters() == 1


def test_a_purge_that_is_not_confirmed_removes_nothing(
    client: Client, worker: Failing
) -> None:
    fail(client, worker, 2)
    done = client.purge(everything=True, confirm=lambda _: False)
    assert (done.letters, done.stopped) == (0, True)
    assert client.count_dead_letters() == 2


class Impatient(threading.Event):
    """Notes how long it is waited for, and is set at once."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        self.set()
        return True


def test_no_more_pass_than_the_rate_allows(client: Client, worker: Failing) -> None:
    fail(client, worker, 3)
    stop = Impatient()
    done = client.redrive(everything=True, rate=0.001, stop=stop)
    assert (done.letters, done.stopped) == (1, True)
    [until_the_next] = stop.waits
    assert 900 < until_the_next <= 1000
    assert client.count_dead_letters() == 2
    assert worker.run() == 1


@pytest.mark.parametrize("name", ["redrive", "purge"])
def test_one_that_is_stopped_goes_on_with_the_next_call(
    client: Client, worker: Failing, name: str
) -> None:
    fail(client, worker, 70)
    stop = threading.Event()
    ask: Callable[..., Handled] = getattr(client, name)
    fast = {"rate": FAST} if name == "redrive" else {}

    def tell(done: Handled) -> None:
        if done.letters >= 40:
            stop.set()  # pages and steps are smaller than what is left

    first = ask(everything=True, stop=stop, progress=tell, **fast)
    assert first.stopped
    assert 40 <= first.letters < 70
    assert client.count_dead_letters() == 70 - first.letters
    rest = ask(everything=True, **fast)
    assert (rest.letters, rest.stopped) == (70 - first.letters, False)
    assert worker.run() == (70 if name == "redrive" else 0)


def test_it_waits_while_the_stream_is_long(client: Client, worker: Failing) -> None:
    fail(client, worker, 25)
    told: list[Handled] = []
    results: list[Handled] = []

    def redrive() -> None:
        options = {"rate": FAST, "backlog": 10}
        results.append(client.redrive(everything=True, progress=told.append, **options))

    thread = threading.Thread(target=redrive)
    thread.start()
    ran = 0
    while ran < 25:
        wait_until(lambda: told and (told[-1].paused or told[-1].letters == 25))
        assert client.backlog()[0] <= 10
        ran += worker.run()
    thread.join()
    assert results[0].letters == 25
    assert any(done.paused for done in told)


def test_named_ones_do_not_wait(client: Client, worker: Failing) -> None:
    fail(client, worker, 1)
    [letter] = client.dead_letters()
    client.publish_many({"name": "order"} for _ in range(20))
    assert client.redrive(letter.id, backlog=10).letters == 1


class Forgetful(Proxy):
    """Loses the reply to every other script, which was run."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.scripts = 0
        self.losing = False

    def _pass_on(self, source: socket.socket, sink: socket.socket, **_: object) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if data.startswith(b"*") and b"EVALSHA" in data:
                    self.scripts += 1
                    self.losing = self.scripts % 2 == 1
                elif self.losing:
                    self.losing = False
                    self.cut()
                    return
                sink.sendall(data)


@pytest.mark.parametrize("name", ["redrive", "purge"])
def test_what_was_done_without_a_reply_is_told_once(
    worker: Failing, client: Client, valkey: Server, name: str
) -> None:
    fail(client, worker, 60)
    with Forgetful(valkey.port) as proxy:
        with Client(f"redis://127.0.0.1:{proxy.port}") as far:
            fast = {"rate": FAST} if name == "redrive" else {}
            done = getattr(far, name)(everything=True, **fast)
        assert proxy.scripts >= 6
    assert (done.letters, done.refused) == (60, 0)
    assert client.count_dead_letters() == 0
    assert worker.run() == (60 if name == "redrive" else 0)


def test_redis_away_is_told_and_loses_nothing(
    worker: Failing, valkey: Server, client: Client
) -> None:
    fail(client, worker, 60)
    told: list[Handled] = []
    with Proxy(valkey.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        with Client(url, timeout=0.5) as far:

            def tell(done: Handled) -> None:
                told.append(done)
                proxy.freeze()

            with pytest.raises(Unavailable):
                far.redrive(everything=True, rate=FAST, progress=tell)
    assert 0 < told[-1].letters < 60
    client.redrive(everything=True, rate=FAST)
    assert worker.run() == 60
    assert client.stats()["executions_completed"] == 60
