"""C code that holds the interpreter costs its worker neither leases nor its life."""

from __future__ import annotations

from pathlib import Path

import psutil
import redis

from tests.servers import Server, wait_until
from tests.service import Service, until_quiet

LEASE_MS = 1500
ENV = {"LEASE_MS": str(LEASE_MS), "POLL_INTERVAL_MS": "100", "CONCURRENCY_LIMIT": "4"}
NEIGHBOURS = [f"n{number}" for number in range(6)]


def test_what_holds_the_interpreter_for_longer_than_a_lease_runs_once(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(valkey.url, tmp_path, "tests.apps.gripping:app", **ENV) as service:
        service.start()
        workers = sorted(service.ready_pids())
        with service.client() as client:
            # Four and two of them in one worker each, or three and three: beside the
            # grip there are some, and in the other worker there is room for more.
            client.publish_many({"name": "slow", "key": key} for key in NEIGHBOURS)
            wait_until(lambda: sorted(service.marked("began")) == NEIGHBOURS)
            payload = {"ms": LEASE_MS * 5 // 2}
            client.publish("grips", payload, key="grip")
        wait_until(lambda: service.marked("gripped") == ["grip"])
        silent = service.pid_of("gripped", "grip")
        assert silent in {service.pid_of("began", name) for name in NEIGHBOURS}
        for name in NEIGHBOURS:
            service.open_gate(name)
        found = until_quiet(db)
        assert sorted(service.marked("ran")) == ["grip", *NEIGHBOURS]
        assert service.marked("gripped") == ["grip"]
        assert sorted(service.marked("began")) == NEIGHBOURS
        assert (found["succeeded"], found["dead"]) == (7, 0)
        assert sorted(service.ready_pids()) == workers
        assert psutil.pid_exists(silent)
        assert "gives no sign of life" in service.log()
        assert "took over" not in service.log()
        assert "lease" not in lost(service)


def lost(service: Service) -> str:
    """What the log says of lost leases."""
    lines = service.log().splitlines()
    return "\n".join(line for line in lines if "lost" in line or "too late" in line)
