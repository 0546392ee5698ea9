"""A workflow of ten actions, killed at every point there is."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import redis

from tests.apps.deadly import ACTIONS
from tests.servers import Server, wait_until
from tests.service import Service, until_quiet

RESULT = [n * n for n in range(1, ACTIONS + 1)]
NUMBERS = range(1, ACTIONS + 1)

INSIDE = [f"{where} {n}" for n in NUMBERS for where in ("before", "within", "after")]
# The fourth result goes with the commit that suspends, so nobody appends it.
WRITES = [
    f"{where} {write}"
    for where in ("before", "after")
    for write in (
        *(f"append {n}" for n in (0, 1, 2, 4, 5, 6, 7, 8, 9)),
        "commit 0",
        "commit 1",
    )
]


def may_run_twice(point: str) -> set[int]:
    """Which actions may have run when their process died before it stored that."""
    where, *what = point.split()
    if where == "before" and what[0].isdigit():
        # The action before it has ended, and is stored only when this one starts.
        return {int(what[0]) - 1}
    if what[0].isdigit():
        return {int(what[0])}
    return set(NUMBERS) if where == "before" else set()


def test_what_is_journaled_ran_once_wherever_the_process_dies(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    with Service(
        valkey.url, tmp_path, "tests.apps.deadly:app", WORKER_COUNT="4"
    ) as service:
        service.start()
        with service.client() as client:
            for point in INSIDE + WRITES:
                client.publish("deadly", key=point, id=point.replace(" ", "-"))
                wait_until(lambda p=point: (service.marks / f"died.{p}").exists())
                until_quiet(db, 20)
                service.remember()
        assert service.stop() == 0
    for point in INSIDE + WRITES:
        record = "{wf:0}:x:0-" + point.replace(" ", "-") + ".deadly"
        assert json.loads(db.hget(record, "result") or "null") == RESULT, point
        ran = Counter(
            int(n) for n in (tmp_path / "marks" / f"ran.{point}").read_text().split()
        )
        twice = {n for n, times in ran.items() if times > 1}
        assert set(ran) == set(NUMBERS), point
        assert all(times <= 2 for times in ran.values()), (point, ran)
        assert len(twice) <= 1, (point, ran)
        assert twice <= may_run_twice(point), (point, ran)
        if point.startswith("within"):
            assert twice == may_run_twice(point)
