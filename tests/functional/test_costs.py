"""What an event costs, counted: the same on every machine, whatever else it does."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests.functional.costs import limits
from tests.servers import Server
from tests.service import Service, until_quiet

BACKLOG = 2000


def test_no_event_costs_more_than_it_did(own_server: Server) -> None:
    found = limits.measured(own_server.url)
    assert limits.dearer(found) == []


@pytest.mark.parametrize(("batch_size", "most"), [(10, 0.4), (100, 0.06)])
def test_the_threads_of_a_worker_keep_their_calls_full(
    valkey: Server, db: redis.Redis, tmp_path: Path, batch_size: int, most: float
) -> None:
    def calls() -> int:
        stats = db.info("commandstats")
        return int(stats["cmdstat_evalsha"]["calls"])

    service = Service(
        valkey.url,
        tmp_path,
        "tests.apps.costs:app",
        WORKER_COUNT="1",
        BATCH_SIZE=str(batch_size),
    )
    with service.start(), service.client() as client:
        # The first ones teach it how far to read ahead.
        for number in (100, BACKLOG):
            before = calls()
            client.publish_many({"name": "nothing"} for _ in range(number))
            until_quiet(db)
    assert (calls() - before) / BACKLOG <= most
