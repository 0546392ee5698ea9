"""``wfworker doctor`` on every kind of server: it reads, and only that."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import PARTITION, Database
from tests.functional.doctor import Examined

pytestmark = pytest.mark.usefixtures("hurried")


def examined(base: Database) -> Examined:
    return Examined(base.server.url)


def test_a_new_namespace_has_nothing_to_do(base: Database) -> None:
    found = Examined(base.server.url, namespace="new")
    assert (found.status, found.bad) == (0, set())
    # Redis 6.2 can't tell what a user may do.
    old = found["version"][1].startswith("Redis 6")
    unread = {n for n, f in found.found.items() if "not checked" in f["found"]}
    assert unread == ({"permissions"} if old else set())


def test_work_in_order_lacks_a_service_and_nothing_else(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, delay_ms=60_000)
    base.waiting(hand, key="other")
    base.open(hand, "third")
    base.add("go")
    assert hand.commit(*hand.take()) == [True]
    healthy = examined(base)
    assert (healthy.status, healthy.bad) == (1, {"workers"})
    assert healthy["stuck"] == ("ok", "none of 3 open executions looked at")
    assert healthy["books"] == ("ok", "4 executions started, 1 ended, 3 open")
    assert healthy["namespace"][0] == "ok"


def test_it_changes_nothing(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, delay_ms=60_000)
    base.client.xdel(PARTITION.events, base.open(hand, "stuck").entry)
    base.client.zadd(PARTITION.timers, {"w:overdue": 1})
    base.add("nobody.wants.this")

    def state() -> list[object]:
        changes = base.client.info("persistence")["rdb_changes_since_last_save"]
        return [changes, sorted(base.all_keys())]

    before = state()
    assert examined(base)["stuck"][0] == "error"
    assert state() == before
