"""Short events from a backlog: one thread of the pool is woken for many."""

from __future__ import annotations

from pathlib import Path

import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet


def publish(service: Service, count: int) -> None:
    with service.client() as client:
        client.publish_many({"name": "nothing"} for _ in range(count))


def until_done(db: redis.Redis, events: int) -> None:
    wait_until(lambda: books(db)["succeeded"] >= events, 60, f"{events} events done")


def test_one_slow_event_holds_up_none_of_the_short_ones(
    own_server: Server, tmp_path: Path
) -> None:
    limits = {"WORKER_COUNT": "1", "CONCURRENCY_LIMIT": "2"}
    with (
        Service(own_server.url, tmp_path, **limits) as service,
        own_server.client() as db,
    ):
        service.start()
        publish(service, 1000)
        with service.client() as client:
            client.publish("slow", key="s")
        publish(service, 1000)
        until_done(db, 2000)
        assert service.marked("ran") == []
        service.open_gate("s")
        assert until_quiet(db)["succeeded"] == 2001
