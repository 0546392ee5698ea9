"""Locks while Redis is away, answers are lost and calls interrupted."""

from __future__ import annotations

import ctypes
import queue
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.functional.doors import LONG, is_free, token_in, token_of, until_renewed
from tests.proxy import Proxy
from tests.servers import Server, wait_until
from workflow_worker import (
    Client,
    LockLost,
    OutcomeUnknown,
    Unavailable,
)
from workflow_worker.broker.keys import Partition
from workflow_worker.locks import Locks


def through(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


def test_a_lost_reply_leaves_no_lock_behind_for_its_own_caller(
    valkey: Server, db: redis.Redis
) -> None:
    with Proxy(valkey.port) as proxy, Client(through(proxy)) as client:
        assert is_free(client)
        proxy.swallow()
        with client.lock("door", ttl=LONG, wait=0) as lock:
            assert proxy.to_swallow == 0
            assert token_in(db) == lock.token
            proxy.swallow()
        assert proxy.to_swallow == 0
        assert not db.exists("{wf:0}:lock:door")


def test_what_may_have_been_taken_is_let_go_of(valkey: Server, db: redis.Redis) -> None:
    with Proxy(valkey.port) as proxy, Client(through(proxy)) as client:
        assert is_free(client)
        proxy.swallow(2)
        with pytest.raises(OutcomeUnknown), client.lock("door", ttl=LONG):
            pass
        wait_until(lambda: not db.exists("{wf:0}:lock:door"))
        assert int(db.get("{wf:0}:fence")) > 0


def test_an_interrupted_call_leaves_no_lock_behind(
    valkey: Server, db: redis.Redis
) -> None:
    ended = queue.SimpleQueue[str]()
    with Proxy(valkey.port) as proxy, Client(through(proxy)) as client:
        assert is_free(client)

        def take() -> None:
            try:
                client.lock("door", ttl=LONG).__enter__()
            except Interrupted:
                ended.put("interrupted")

        proxy.freeze()
        before = int(db.get("{wf:0}:fence"))
        thread = threading.Thread(target=take)
        thread.start()
        wait_until(lambda: is_receiving(thread))
        raise_in(thread, Interrupted)
        proxy.thaw()
        assert ended.get(timeout=20) == "interrupted"
        thread.join()
        # It was taken: the answer was under way when the exception came.
        wait_until(lambda: int(db.get("{wf:0}:fence")) > before)
        wait_until(lambda: not db.exists("{wf:0}:lock:door"))


class Interrupted(BaseException):
    """Whatever comes from outside."""


def is_receiving(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    names = [each[0].f_code.co_name for each in traceback.walk_stack(frame)]
    return "_receive" in names


def raise_in(thread: threading.Thread, kind: type[BaseException]) -> None:
    raised = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(kind)
    )
    assert raised == 1


def test_a_client_says_at_once_that_redis_is_away(own_server: Server) -> None:
    with Client(own_server.url) as client:
        assert is_free(client)
        own_server.stop()
        with pytest.raises(Unavailable), client.lock("door", wait=LONG):
            pass


def test_in_an_action_whoever_waits_for_a_lock_waits_for_redis(
    own_server: Server,
) -> None:
    locks = Locks(own_server.url, Partition("wf"), timeout=1)
    own_server.stop()
    with pytest.raises(Unavailable), locks.lock("door", wait=0.2):
        pass
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(token_of, locks, wait=LONG)
        with pytest.raises(Unavailable), locks.lock("door", wait=0.2):
            pass
        own_server.start()
        assert late.result(20) > 0
    locks.close()


def test_a_short_absence_of_redis_costs_nobody_the_lock(
    valkey: Server, db: redis.Redis
) -> None:
    with Proxy(valkey.port) as proxy, Client(through(proxy)) as client:
        assert is_free(client)
        with client.lock("door", ttl=3) as lock:
            proxy.swallow(3)
            wait_until(lambda: proxy.to_swallow == 0)
            until_renewed(db)
            assert not lock.lost
            assert token_in(db) == lock.token


def test_a_link_that_went_dead_does_not_use_up_the_time_of_the_lock(
    valkey: Server, db: redis.Redis
) -> None:
    with Proxy(valkey.port) as proxy, Client(through(proxy), timeout=1) as client:
        with client.lock("door", ttl=3) as lock:
            until_renewed(db)
            proxy.strand()
            until_renewed(db)
            assert not lock.lost
        assert not db.exists("{wf:0}:lock:door")


def test_a_holder_that_cannot_reach_redis_knows_the_loss_by_its_clock(
    own_server: Server,
) -> None:
    with Client(own_server.url, timeout=1) as client:
        assert is_free(client)
        lock = client.lock("door", ttl=1)
        lock.__enter__()
        assert not lock.lost
        own_server.stop(signal.SIGKILL)
        wait_until(lambda: lock.lost)
        with pytest.raises(LockLost):
            _ = lock.token
        with pytest.raises(LockLost):
            lock.__exit__(None, None, None)


def test_what_redis_kept_longer_than_its_holder_knew_is_let_go_of(
    valkey: Server, db: redis.Redis
) -> None:
    with Proxy(valkey.port) as proxy, Client(through(proxy)) as client:
        lock = client.lock("door", ttl=1)
        lock.__enter__()
        until_renewed(db)
        proxy.swallow(10_000)
        wait_until(lambda: lock.lost)
        assert db.expire("{wf:0}:lock:door", LONG)
        proxy.swallow(0)
        with pytest.raises(LockLost):
            lock.__exit__(None, None, None)
        wait_until(lambda: not db.exists("{wf:0}:lock:door"))


def test_a_lock_that_could_not_be_let_go_of_is_when_redis_is_back(
    own_server: Server,
) -> None:
    with Client(own_server.url) as client, Client(own_server.url) as other:
        with client.lock("door", ttl=LONG):
            own_server.stop()
        own_server.start()
        wait_until(lambda: is_free(other))
