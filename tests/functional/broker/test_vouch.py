"""vouch: the leases of a living owner that can't renew them itself."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import PARTITION, Database
from tests.servers import wait_until
from workflow_worker.broker import claim, quarantine

pytestmark = pytest.mark.usefixtures("books")
LOCK = "{t:0}:quarantine"
LEASE_MS = 60_000


def vouch(base: Database, consumer: str) -> int:
    return claim.vouch(base.hand("guard").link, PARTITION, consumer, LEASE_MS)


def idle(base: Database) -> dict[str, int]:
    rows = base.client.xpending_range(PARTITION.events, "workers", "-", "+", 5000)
    return {row["message_id"].decode(): row["time_since_delivered"] for row in rows}


def test_all_that_it_owns_is_renewed_and_no_delivery_counted(base: Database) -> None:
    owner, other = base.hand("a"), base.hand("b")
    for _ in range(3):
        base.add()
    tasks = owner.take()
    wait_until(lambda: min(idle(base).values()) > 200)
    assert vouch(base, "a") == 3
    assert other.claim(lease_ms=200) == []
    assert owner.renew(*tasks) == [True] * 3
    assert owner.commit(*tasks) == [True] * 3


def test_what_others_own_by_now_is_neither_stolen_back_nor_renewed(
    base: Database,
) -> None:
    former, owner = base.hand("a"), base.hand("b")
    base.add()
    former.take()
    [task] = owner.claim()
    wait_until(lambda: min(idle(base).values()) > 200)
    assert vouch(base, "a") == 0
    assert min(idle(base).values()) > 200
    assert owner.commit(task) == [True]


def test_more_than_fits_one_call_is_renewed_too(base: Database) -> None:
    owner = base.hand("a")
    most = claim.VOUCH_CHUNK
    with base.client.pipeline() as many:
        for _ in range(2 * most + 1):
            many.xadd(PARTITION.events, {"name": "go"})
        many.execute()
    owner.take(2 * most + 1)
    wait_until(lambda: min(idle(base).values()) > 1000)
    assert vouch(base, "a") == 2 * most + 1
    assert base.hand("b").claim(lease_ms=1000) == []


def test_its_quarantine_lock_is_kept(base: Database) -> None:
    owner = base.hand("a")
    quarantine.hold(owner.link, owner.owner, 5000)
    vouch(base, "a")
    assert base.client.get(LOCK) == b"a"
    assert 5000 < base.client.pttl(LOCK) <= LEASE_MS


def test_the_quarantine_lock_of_another_is_not(base: Database) -> None:
    owner = base.hand("b")
    quarantine.hold(owner.link, owner.owner, 5000)
    vouch(base, "a")
    assert base.client.pttl(LOCK) <= 5000


def test_a_quarantine_lock_that_ran_out_is_not_taken_again(base: Database) -> None:
    base.add()
    base.hand("a").take()
    assert vouch(base, "a") == 1
    assert not base.client.exists(LOCK)


def test_for_a_name_that_owns_nothing_nothing_is_made(base: Database) -> None:
    before = base.all_keys()
    assert vouch(base, "nobody") == 0
    assert base.client.xinfo_consumers(PARTITION.events, "workers") == []
    assert base.all_keys() == before


def test_a_server_that_forgot_the_script_is_told_it_again(base: Database) -> None:
    base.add()
    base.hand("a").take()
    base.client.script_flush()
    assert vouch(base, "a") == 1
