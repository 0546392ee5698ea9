"""When most runs of a workflow fail, its retries don't take the place of others."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from tests.servers import Server, wait_until
from tests.service import Service, books, until_quiet

FAILING = [f"f{number}" for number in range(60)]


def retries(service: Service) -> list[tuple[float, int]]:
    """When each retry began, and how many ran then."""
    lines = [
        line.split()
        for path in service.marks.glob("retry.*")
        for line in path.read_text().splitlines()
    ]
    return sorted((float(line[0]), int(line[3])) for line in lines)


def flooded(service: Service) -> bool:
    reasons = [r for worker in service.workers() for r in worker["reasons"]]
    return any("flaky" in reason for reason in reasons)


def test_a_flood_of_retries_gets_a_bounded_share_until_it_is_over(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    env = {
        "WORKER_COUNT": "1",
        "CONCURRENCY_LIMIT": "8",
        "MAX_RETRIES": "1000",
        "RETRY_BASE_MS": "20",
        "RETRY_MAX_MS": "50",
    }
    with Service(valkey.url, tmp_path, "tests.apps.flaky:app", **env) as service:
        service.start()
        with service.client() as client:
            client.publish_many({"name": "flaky", "key": key} for key in FAILING)
            wait_until(lambda: flooded(service))
            wait_until(lambda: service.health()["status"] == "degraded")
            # Those that ran when the flood was seen end first.
            seen = len(retries(service)) + 20
            wait_until(lambda: len(retries(service)) > seen + 50)
            since = time.monotonic()
            client.publish_many({"name": "innocent", "key": f"i{n}"} for n in range(50))
            wait_until(lambda: len(service.marked("ran")) == 50)
            shares = [share for _, share in retries(service)[seen:]]
            assert max(shares) <= 2
            assert books(db)["failed"] == 0
            service.open_gate("well")
            client.publish_many({"name": "flaky", "key": f"w{n}"} for n in range(1500))
            until_quiet(db)
            wait_until(lambda: service.health()["status"] == "healthy")
    assert set(service.marked("done")) == set(FAILING)
    assert any(began > since for began, _ in retries(service))
    assert books(db)["dead"] == 0
