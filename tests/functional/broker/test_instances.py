"""Instances that come, fall silent and go, and the figures of the whole."""

from __future__ import annotations

import pytest

from tests.functional.broker.conftest import PARTITION, Database
from workflow_worker.broker import instances
from workflow_worker.broker.connection import Link
from workflow_worker.broker.figures import Figures, figures
from workflow_worker.broker.instances import GONE_MS, LOST_MS, MOST_LOST, Instance
from workflow_worker.errors import Rejected

INSTANCES, BEATS = "{t}:instances", "{t}:beats"


def register(base: Database, name: str, **said: object) -> None:
    instance = Instance(**said)  # type: ignore[arg-type]
    instances.register(base.hand().link, PARTITION, name, instance)


def silence(base: Database, name: str, ms: int) -> None:
    """Let the last sign of life be so long ago."""
    beat = base.client.zscore(BEATS, name)
    assert beat is not None
    base.client.zadd(BEATS, {name: beat - ms}, xx=True)


def seen(base: Database) -> dict[str, Instance]:
    found = instances.instances(base.hand().link, PARTITION)
    return {each.name: each for each in found}


def read(base: Database) -> Figures:
    return figures(base.hand().link, PARTITION)


def test_nothing_is_known_of_a_fleet_that_never_was(base: Database) -> None:
    base.client.flushall()
    assert seen(base) == {}
    found = read(base)
    assert (found.backlog, found.pending, found.timers, found.dead_letters) == (0,) * 4
    assert found.oldest_waiting_ms is found.oldest_pending_ms is None
    assert found.next_timer_ms is None
    assert base.all_keys() == set()


def test_what_an_instance_says_last_is_what_is_seen(base: Database) -> None:
    register(base, "b", status="healthy")
    register(base, "a", status="healthy", events_processed=1)
    register(base, "a", status="degraded", events_processed=2)
    found = seen(base)
    assert list(found) == ["a", "b"]
    assert (found["a"].status, found["a"].events_processed) == ("degraded", 2)
    assert not found["a"].lost
    assert found["a"].silent_ms < LOST_MS


def test_one_that_is_silent_is_lost_and_comes_back_with_a_word(base: Database) -> None:
    register(base, "a")
    register(base, "b")
    silence(base, "a", LOST_MS + 1000)
    found = seen(base)
    assert list(found) == ["b", "a"]  # the living first
    assert found["a"].lost
    assert found["a"].silent_ms > LOST_MS
    register(base, "a")
    assert not seen(base)["a"].lost


def test_one_that_is_silent_for_long_is_forgotten_by_the_next_word(
    base: Database,
) -> None:
    register(base, "a")
    silence(base, "a", GONE_MS + 1000)
    assert seen(base) == {}
    assert base.client.hkeys(INSTANCES) == [b"a"]
    register(base, "b")
    assert base.client.hkeys(INSTANCES) == base.client.zrange(BEATS, 0, -1) == [b"b"]


def test_of_very_many_lost_ones_the_last_heard_of_are_kept(base: Database) -> None:
    for number in range(MOST_LOST + 5):
        register(base, f"lost-{number}")
        silence(base, f"lost-{number}", LOST_MS + 100_000 - 1000 * number)
    register(base, "living")
    found = seen(base)
    assert not found.pop("living").lost
    assert set(found) == {f"lost-{number}" for number in range(5, MOST_LOST + 5)}
    assert base.client.hlen(INSTANCES) == MOST_LOST + 1


def test_an_orderly_end_leaves_nothing(base: Database) -> None:
    register(base, "a")
    register(base, "b")
    instances.unregister(base.hand().link, PARTITION, "a")
    assert list(seen(base)) == ["b"]
    instances.unregister(base.hand().link, PARTITION, "b")
    assert not base.client.exists(INSTANCES, BEATS)


def test_a_fleet_that_is_gone_is_forgotten_by_itself(base: Database) -> None:
    register(base, "a")
    for key in (INSTANCES, BEATS):
        assert 0 < base.client.pttl(key) <= GONE_MS


def test_a_full_server_still_hears_who_lives(base: Database) -> None:
    register(base, "a", events_processed=1)
    base.client.config_set("maxmemory", "1")
    try:
        register(base, "a", events_processed=2)
        register(base, "b")
        found = seen(base)
    finally:
        base.client.config_set("maxmemory", "0")
    assert set(found) == {"a", "b"}
    assert found["a"].events_processed == 2


@pytest.mark.parametrize(
    "said", [b"", b"\xff", b"[]", b'{"status": 3}', b'{"workers": [{"pid": "x"}]}']
)
def test_what_cant_be_read_is_shown_by_its_name(base: Database, said: bytes) -> None:
    register(base, "a")
    base.client.hset(INSTANCES, "a", said)
    assert seen(base)["a"].status == "unknown"


def test_a_time_that_cant_be_hides_nobody(base: Database) -> None:
    register(base, "a")
    scores = {"never": float("-inf"), "soon": float("inf"), "far": 1e300}
    base.client.zadd(BEATS, scores)
    assert set(seen(base)) == {"a", "soon", "far"}


def test_what_a_newer_version_says_beside_is_passed_over(base: Database) -> None:
    register(base, "a")
    base.client.hset(INSTANCES, "a", b'{"status": "healthy", "mood": {"good": true}}')
    assert seen(base)["a"].status == "healthy"


def test_keys_that_hold_something_else_are_told_in_one_sentence(
    base: Database,
) -> None:
    base.client.set(INSTANCES, "x")
    with pytest.raises(Rejected, match="what is known of the fleet"):
        register(base, "a")
    with pytest.raises(Rejected, match="what is known of the fleet"):
        seen(base)
    base.client.set(PARTITION.timers, "x")
    with pytest.raises(Rejected, match="what it has for the fleet"):
        read(base)


def test_figures_are_those_of_the_moment(base: Database) -> None:
    now = int(base.client.time()[0]) * 1000
    for number, age_ms in enumerate((90_000, 60_000, 30_000)):
        entry = f"{now - age_ms}-{number}"
        base.client.xadd(PARTITION.events, {"name": "go"}, id=entry)
    hand = base.hand()
    [task] = hand.take(1)
    found = read(base)
    assert (found.backlog, found.pending) == (3, 1)
    assert found.oldest_pending_ms is not None
    assert found.oldest_waiting_ms is not None
    assert 90_000 <= found.oldest_pending_ms < 100_000
    assert 60_000 <= found.oldest_waiting_ms < 70_000
    assert hand.commit(task, *hand.take(9)) == [True] * 3
    found = read(base)
    assert (found.backlog, found.pending) == (0, 0)
    assert found.oldest_waiting_ms is found.oldest_pending_ms is None
    assert found.counters["events_succeeded"] == 3


def test_nobody_took_anything_is_all_waiting(base: Database) -> None:
    base.client.flushall()
    base.client.xadd(PARTITION.events, {"name": "go"}, id="1-1")
    found = read(base)
    assert (found.backlog, found.pending) == (1, 0)
    assert found.oldest_waiting_ms == found.server_ms - 1


def test_timers_and_executions_are_counted(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, delay_ms=60_000)
    base.waiting(hand, key="other", delay_ms=90_000)
    base.open(hand, key="third")
    found = read(base)
    assert found.timers == 2
    assert found.next_timer_ms is not None
    assert 0 < found.next_timer_ms <= 60_000
    assert (found.executions["waiting"], found.executions["running"]) == (2, 1)
    due = base.client.zrange(PARTITION.timers, 0, 0)[0]
    base.client.zadd(PARTITION.timers, {due: found.server_ms - 5_000}, xx=True)
    overdue = read(base).next_timer_ms
    assert overdue is not None
    assert overdue <= -5_000


def test_a_payload_of_any_size_is_not_read_for_the_figures(base: Database) -> None:
    base.client.xadd(PARTITION.events, {"name": "go", "payload": "x" * 1_000_000})
    link = Link(base.server.url)
    figures(link, PARTITION)
    before = base.client.info()["total_net_output_bytes"]
    assert figures(link, PARTITION).backlog == 1
    assert base.client.info()["total_net_output_bytes"] - before < 100_000
    link.close()
