"""A decision that the server refuses half-way ends as a failure, wholly."""

from __future__ import annotations

import threading

import pytest

from tests.functional.broker.conftest import (
    DONE,
    PARTITION,
    RETENTION,
    Database,
    Hand,
    received,
    suspended,
)
from tests.functional.broker.test_children import parent, result_of
from tests.functional.broker.test_commit import FAILED
from tests.servers import wait_until
from workflow_worker.board import Board
from workflow_worker.broker.commit import Landed, commit
from workflow_worker.broker.connection import Link
from workflow_worker.broker.letters import Reading, Selection
from workflow_worker.model import Decision, Outcome
from workflow_worker.worker.committer import Committer
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.meter import Meter
from workflow_worker.worker.tally import Tally

pytestmark = pytest.mark.usefixtures("books")
RESULT = Decision(Outcome.COMPLETED, b"1", entries=(b"1",))
IN_THE_WAY = [
    ("go", "by-status:completed"),
    ("go", "expiry"),
    ("open", "by-status:completed"),
    ("open", "expiry"),
    ("open", "in:{id}"),
]
"""Events, and keys that the commit of what they start uses; a foreign value makes every
use an error."""


def refuse(base: Database, key: str, execution_id: str) -> str:
    name = PARTITION.prefix + key.replace("{id}", execution_id)
    base.client.set(name, "in the way")
    return name


@pytest.mark.parametrize(("name", "key"), IN_THE_WAY)
def test_it_is_closed_with_exact_books(base: Database, name: str, key: str) -> None:
    hand = base.hand()
    base.add(name, id="7", key="k", payload='{"a":1}')
    task = hand.begin()
    foreign = refuse(base, key, task.execution_id)
    assert hand.commit(task, decision=RESULT) == [True]
    base.client.delete(foreign)
    record = base.record(task.execution_id)
    assert (record["status"], record["error_type"]) == ("failed", "CommitRefused")
    assert record["e:payload"] == '{"a":1}'
    [letter] = base.dead()
    assert letter[b"execution_id"].decode() == task.execution_id
    assert not base.client.exists(f"{PARTITION.prefix}open:s:k")
    stats = base.stats()
    assert (stats["executions_started"], stats["executions_failed"]) == (1, 1)
    assert stats["events_failed"] == 1


def retried(hand: Hand) -> None:
    """Have 7 retried, with the event it had, and completed."""
    hand.retry("0-7.w")
    again = hand.begin()
    assert again.event is not None
    assert (again.event.key, again.event.payload) == ("k", {"a": 1})
    done = Decision(Outcome.COMPLETED, b"1", journaled=len(again.journal))
    assert hand.commit(again, decision=done) == [True]


def test_it_can_be_retried(base: Database) -> None:
    hand = base.hand()
    base.add("go", id="7", key="k", payload='{"a":1}')
    foreign = refuse(base, "by-status:completed", "")
    hand.commit(hand.begin(), decision=RESULT)
    base.client.delete(foreign)
    retried(hand)
    assert base.dead() == []


def test_its_parent_hears_of_it(base: Database) -> None:
    hand = base.hand()
    parent(base, hand)
    child = hand.begin()
    foreign = refuse(base, "by-status:completed", child.execution_id)
    hand.commit(child, decision=RESULT)
    base.client.delete(foreign)
    told = result_of(hand.begin())
    assert (told["status"], told["error_type"]) == ("failed", "CommitRefused")


def test_the_timer_of_its_wait_goes_with_it(base: Database) -> None:
    hand = base.hand()
    base.waiting(hand, "step", delay_ms=60_000)
    base.signal("step", 1, key="k")
    hand.take()
    wake = hand.begin()
    assert received(wake)
    foreign = refuse(base, "by-status:completed", "")
    hand.commit(wake, decision=RESULT)
    base.client.delete(foreign)
    assert base.timers() == {}
    assert base.stats()["signals_unconsumed"] == 1


def test_a_wait_that_is_refused_is_a_failure_too(base: Database) -> None:
    hand = base.hand()
    task = base.open(hand)
    foreign = refuse(base, "timers", "")
    hand.commit(task, decision=suspended(1, "step", delay_ms=60_000))
    base.client.delete(foreign)
    assert base.record(task.execution_id)["status"] == "failed"


def test_the_letter_of_a_very_wide_entry_can_be_read(base: Database) -> None:
    wide = {f"f{i}": f"{i}" * 40 for i in range(600)}
    base.client.xadd(PARTITION.events, {"name": "go", **wide, b"\xff": b"\xfe" * 300})
    hand = base.hand()
    assert hand.taken().failed == 1
    [letter] = Reading(Selection()).page(hand.link, PARTITION)
    assert letter.event_name == "go"
    assert letter.fields["f599"] == b"599" * 40
    assert letter.fields["\\xff"] == b"\xfe" * 300


def test_what_fails_is_held_while_its_letter_cannot_be_written(base: Database) -> None:
    hand = base.hand()
    base.add("go", payload='{"a":1}')
    base.add("open", key="k", payload="{}")
    base.add("go")
    plain, recorded, done = hand.take()
    foreign = refuse(base, "dead", "")
    batch = [(plain, FAILED), (recorded, FAILED), (done, DONE)]
    landed = commit(hand.link, hand.owner, batch, RETENTION)
    assert landed == [Landed.HELD, Landed.HELD, Landed.COMMITTED]
    assert (base.backlog(), base.pending()) == (2, 2)
    assert base.record(recorded.execution_id)["status"] == "running"
    assert "executions_failed" not in base.stats()
    assert hand.renew(plain, recorded) == [True, True]
    base.client.delete(foreign)
    assert hand.landed(plain, recorded, decision=FAILED) == [Landed.COMMITTED] * 2
    assert [letter[b"execution_id"].decode() for letter in base.dead()] == [
        plain.execution_id,
        recorded.execution_id,
    ]
    assert base.stats()["events_failed"] == 2


def test_another_worker_takes_over_what_is_held(base: Database) -> None:
    hand, other = base.hand("a"), base.hand("b")
    base.add("go")
    task = hand.begin()
    foreign = refuse(base, "dead", "")
    assert hand.landed(task, decision=FAILED) == [Landed.HELD]
    [again] = other.claim()
    assert hand.landed(task, decision=FAILED) == [Landed.LOST]
    base.client.delete(foreign)
    assert other.landed(again, decision=FAILED) == [Landed.COMMITTED]
    assert len(base.dead()) == 1


def test_what_was_carried_out_in_part_is_kept_without_a_letter(base: Database) -> None:
    hand = base.hand()
    base.add("go", id="7", key="k", payload='{"a":1}')
    foreign = [refuse(base, key, "") for key in ("by-status:completed", "dead")]
    assert hand.landed(hand.begin(), decision=RESULT) == [Landed.REFUSED]
    base.client.delete(*foreign)
    assert base.record("0-7.w")["status"] == "failed"
    retried(hand)


def test_a_committer_insists_until_the_letter_is_written(base: Database) -> None:
    hand = base.hand()
    base.add("go")
    base.add("go")
    failed, done = hand.take()
    foreign = refuse(base, "dead", "")
    seen: list[tuple[str, Landed]] = []
    leases = Leases(hand.owner, hand.link, 60_000, lambda _: None)
    leases.hold([failed, done])
    committer = Committer(
        Link(base.server.url),
        leases,
        RETENTION,
        Tally(Board.create(1, 1).slots[0], Meter((), ())),
        lambda: 0.0,
        lambda: None,
        lambda landed: seen.extend((item[0].entry, said) for item, said in landed),
    )
    committer.put((failed, FAILED))
    committer.put((done, DONE))
    committer.end()
    thread = threading.Thread(target=committer.run)
    thread.start()
    wait_until(lambda: base.stats().get("events_succeeded"))
    assert base.backlog() == 1
    base.client.delete(foreign)
    thread.join(60)
    assert not thread.is_alive()
    assert sorted(seen) == sorted(
        [(failed.entry, Landed.COMMITTED), (done.entry, Landed.COMMITTED)]
    )
    assert len(base.dead()) == 1
