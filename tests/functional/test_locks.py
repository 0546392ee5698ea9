"""Locks as callers hold them: with threads, processes and pauses."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis

from tests.functional.doors import LONG, is_free, token_of, until_renewed
from tests.guarded import LOCK, Counter, Counting
from tests.servers import Server, wait_until
from workflow_worker import (
    App,
    Client,
    Context,
    LockLost,
    LockNotAcquired,
    current_action,
)
from workflow_worker.testing import TestWorker


@pytest.fixture
def client(valkey: Server, db: redis.Redis) -> Iterator[Client]:
    with Client(valkey.url) as connected:
        yield connected


@pytest.fixture
def other(valkey: Server, db: redis.Redis) -> Iterator[Client]:
    with Client(valkey.url) as connected:
        yield connected


def test_threads_and_processes_exclude_each_other(
    valkey: Server, db: redis.Redis, client: Client
) -> None:
    counter = Counter(db, guarded=False)
    processes = [Counting(counter, valkey.url, who, LONG) for who in ("one", "two")]

    def add(thread: int) -> int:
        with client.lock(LOCK, ttl=LONG, wait=60) as lock:
            counter.add_one(lock.token, f"thread {thread}")
            return lock.token

    try:
        for process in processes:
            wait_until(lambda process=process: process.told("accepted") > 2)
        with ThreadPoolExecutor(4) as pool:
            tokens = list(pool.map(add, range(20)))
        db.set("stop", 1)
    finally:
        db.set("stop", 1)
        for process in processes:
            process.end()
    told = sum(process.told("accepted") for process in processes)
    assert counter.value == told + len(tokens) > 20
    accepted = counter.accepted()
    assert accepted == sorted(set(accepted))


def test_a_holder_that_stood_still_is_told_and_its_late_write_refused(
    valkey: Server, db: redis.Redis, client: Client
) -> None:
    counter = Counter(db)
    process = Counting(counter, valkey.url, "paused", 0.5)
    try:
        process.stop_inside()
        with client.lock(LOCK, ttl=LONG, wait=60) as lock:
            value = counter.read(lock.token, "other")
            process.go_on()
            wait_until(lambda: process.told("lost"))
            counter.write(lock.token, value + 1)
        assert process.told("refused") == process.told("lost") == 1
    finally:
        db.set("stop", 1)
        process.end()
    assert counter.value == process.told("accepted") + 1
    assert counter.accepted() == sorted(counter.accepted())


def test_a_lock_is_renewed_for_as_long_as_it_is_held(
    client: Client, other: Client
) -> None:
    with client.lock("door", ttl=1) as lock:
        token = lock.token
        with pytest.raises(LockNotAcquired), other.lock("door", wait=2.5):
            pass
        assert lock.token == token
    assert is_free(other)


def test_many_locks_are_renewed_side_by_side(client: Client, other: Client) -> None:
    names = [f"door {n}" for n in range(20)]
    locks = [client.lock(name, ttl=1 + n / 10) for n, name in enumerate(names)]
    for lock in locks:
        lock.__enter__()
    with pytest.raises(LockNotAcquired), other.lock(names[0], wait=3):
        pass
    assert not any(lock.lost for lock in locks)
    assert not any(is_free(other, name) for name in names)
    for lock in locks:
        lock.__exit__(None, None, None)


def test_a_short_lock_is_renewed_beside_a_long_one(
    client: Client, db: redis.Redis
) -> None:
    with client.lock("gate", ttl=LONG):
        assert not is_free(client, "gate")
        with client.lock("door", ttl=1) as lock:
            until_renewed(db)
            assert not lock.lost


def test_tokens_grow_from_holder_to_holder(client: Client, other: Client) -> None:
    tokens = []
    for each in (client, other, client):
        with each.lock("door") as lock:
            tokens.append(lock.token)
    assert tokens == sorted(set(tokens))


def test_one_try_is_made_where_there_is_no_time_to_wait(
    client: Client, other: Client
) -> None:
    lock = other.lock("door", wait=0)
    with (
        client.lock("door", ttl=LONG),
        pytest.raises(LockNotAcquired, match=r"lock door .* 0\.000 s"),
    ):
        lock.__enter__()
    with lock:
        assert not lock.lost


def test_whoever_waits_gets_the_lock_when_it_is_let_go(
    client: Client, other: Client
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with client.lock("door", ttl=LONG) as first:
            late = pool.submit(token_of, other, wait=timedelta(minutes=1))
            with pytest.raises(LockNotAcquired), client.lock("door", wait=0.2):
                pass
            token = first.token
        assert late.result(20) > token


def test_an_exception_in_the_block_lets_go_and_goes_on(client: Client) -> None:
    with pytest.raises(KeyError), client.lock("door", ttl=LONG):
        raise KeyError
    assert is_free(client)


def test_each_block_takes_the_lock_anew(client: Client) -> None:
    lock = client.lock("door", ttl=LONG)
    with lock:
        first = lock.token
    assert lock.lost
    with pytest.raises(LockLost):
        _ = lock.token
    with lock as again:
        assert again.token > first


def test_one_lock_object_is_in_one_block_at_a_time(client: Client) -> None:
    lock = client.lock("door", ttl=LONG)
    with lock:
        with pytest.raises(RuntimeError, match="door is in a with block already"):
            lock.__enter__()
        assert not lock.lost
    assert is_free(client)


@pytest.mark.parametrize(
    "how",
    [
        {"name": ""},
        {"name": 7},
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": "30"},
        {"ttl": float("nan")},
        {"ttl": True},
        {"wait": None},
        {"wait": float("inf")},
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_asked(
    how: dict[str, Any],
) -> None:
    with Client("redis://127.0.0.1:1/0") as nowhere, pytest.raises(ValueError):  # noqa: PT011
        nowhere.lock(**{"name": "door", **how})


def test_a_lock_that_was_taken_away_is_lost(
    client: Client, other: Client, db: redis.Redis
) -> None:
    lock = client.lock("door", ttl=9)
    lock.__enter__()
    db.delete("{wf:0}:lock:door")
    with other.lock("door", ttl=LONG) as next_one:
        wait_until(lambda: lock.lost, 7, "a renewal tells it before its time is over")
        with pytest.raises(LockLost):
            _ = lock.token
        with pytest.raises(LockLost):
            lock.__exit__(None, None, None)
        assert not next_one.lost
        assert not is_free(client)


def test_the_end_of_a_block_finds_a_loss_that_nobody_noticed(
    client: Client, other: Client, db: redis.Redis
) -> None:
    lock = client.lock("door", ttl=LONG)
    lock.__enter__()
    db.delete("{wf:0}:lock:door")
    with other.lock("door", ttl=LONG) as next_one:
        assert not lock.lost
        with pytest.raises(LockLost):
            lock.__exit__(None, None, None)
        assert not next_one.lost
        assert not is_free(client)


def test_an_exception_is_not_hidden_by_the_loss_of_the_lock(
    client: Client, db: redis.Redis
) -> None:
    def work() -> None:
        with client.lock("door", ttl=LONG):
            db.delete("{wf:0}:lock:door")
            raise KeyError

    with pytest.raises(KeyError):
        work()


def test_scripts_may_be_forgotten_at_any_time(client: Client, db: redis.Redis) -> None:
    db.script_flush()
    with client.lock("door", ttl=0.6) as lock:
        db.script_flush()
        with pytest.raises(LockNotAcquired), client.lock("door", wait=1.2):
            pass
        assert not lock.lost
        db.script_flush()
    assert is_free(client)


def test_a_lock_nobody_refers_to_any_more_runs_out(
    client: Client, other: Client
) -> None:
    lock = client.lock("door", ttl=0.5)
    lock.__enter__()
    del lock
    gc.collect()
    with other.lock("door", wait=60):
        pass


def test_the_renewing_thread_ends_with_the_last_lock(client: Client) -> None:
    before = set(threading.enumerate())

    def renewing() -> bool:
        return any(t.name == "locks" for t in set(threading.enumerate()) - before)

    with client.lock("door", ttl=0.3), client.lock("gate", ttl=0.3):
        assert renewing()
    wait_until(lambda: not renewing())
    with client.lock("door", ttl=0.3) as lock:
        with pytest.raises(LockNotAcquired), client.lock("door", wait=0.9):
            pass
        assert not lock.lost


def test_a_fork_neither_holds_its_parents_lock_nor_lets_go_of_it(
    client: Client,
) -> None:
    with client.lock("door", ttl=LONG) as lock:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with client.lock("gate", ttl=LONG) as own:
                    status = 0 if lock.lost and not own.lost else 2
                lock.__exit__(KeyError, KeyError(), None)
                with pytest.raises(LockNotAcquired), client.lock("door", wait=0.5):
                    status = 3
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert not lock.lost
        assert not is_free(client)
    assert is_free(client, "gate")


def test_an_action_holds_a_lock() -> None:
    app = App("shop")

    @app.action
    def restock() -> bool:
        with current_action().lock("stock", ttl=5, wait=1) as lock:
            return lock.token > 0 and not lock.lost

    @app.workflow(on="go")
    def flow(ctx: Context) -> bool:
        return restock()

    with TestWorker(app) as worker:
        assert worker.start("go").result() is True
