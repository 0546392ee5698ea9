"""take: reading and routing are one step; what is read is handed out or settled."""

from __future__ import annotations

import re

import pytest

from tests.functional.broker.conftest import PARTITION, Database
from workflow_worker.errors import Unavailable

pytestmark = pytest.mark.usefixtures("books")


def test_a_plain_xadd_is_handed_out(base: Database) -> None:
    entry = base.add("go", key="k-1", payload='{"n": 1}')
    [task] = base.hand().take()
    assert (task.entry, task.workflow, task.count) == (entry, "w", 1)
    assert task.execution_id == f"0-{entry}.w"
    assert task.event is not None
    assert (task.event.key, task.event.payload) == ("k-1", {"n": 1})


GOOD = {"published_at": "1700000000123", "name": "go", "payload": '{"n": 1}'}
"""In the order in which events are published."""


@pytest.mark.parametrize(
    "fields",
    [
        GOOD,
        GOOD | {"key": "k-1"},
        GOOD | {"key": ""},
        GOOD | {"key": b"\xff"},
        GOOD | {"name": "order.größe"},
        GOOD | {"payload": "{broken"},
        GOOD | {"payload": "[]"},
        GOOD | {"published_at": "soon"},
        GOOD | {"headers": '{"a": "b"}'},
        GOOD | {"name": "", "key": "k"},
        GOOD | {"name": "unheard"},
        GOOD | {"name": "both"},
        GOOD | {"name": "open", "key": "k"},
        GOOD | {"payload": f'{{"x": "{"y" * 1000}"}}'},
    ],
)
def test_how_an_event_reads_does_not_depend_on_the_order_of_its_fields(
    base: Database, fields: dict[str, str | bytes]
) -> None:
    entries = [
        base.client.xadd(PARTITION.events, dict(order)).decode()
        for order in (fields.items(), reversed(fields.items()))
    ]
    hand = base.hand()
    seen = []
    for entry in entries:
        taken = hand.taken(1)
        text = repr((taken.tasks, taken.succeeded, taken.failed, taken.ignored))
        seen.append(re.sub(r"started_ms=\d+", "", text.replace(entry, "ENTRY")))
    assert seen[0] == seen[1]


def test_all_sorts_of_entries_come_in_the_order_of_the_stream(base: Database) -> None:
    kinds: list[dict[str, str]] = [GOOD, {"name": "go"}, GOOD | {"id": "i"}]
    sent = [
        base.client.xadd(PARTITION.events, dict(kinds[place])).decode()
        for place in (0, 0, 1, 0, 2, 0, 1)
    ]
    assert [task.entry for task in base.hand().take(10)] == sent


def test_no_more_than_asked_for_and_each_once(base: Database) -> None:
    sent = [base.add() for _ in range(10)]
    first, second = base.hand("a"), base.hand("b")
    got = [*first.take(4), *second.take(3), *first.take(10)]
    assert [task.entry for task in got] == sent


def test_what_nobody_wants_is_counted_and_gone(base: Database) -> None:
    base.add("unheard")
    taken = base.hand().taken()
    assert (taken.tasks, taken.ignored) == ([], 1)
    assert base.stats() == {"events_ignored": 1}
    assert (base.backlog(), base.pending()) == (0, 0)


def test_a_pattern_starts_its_workflow(base: Database) -> None:
    base.add("order.placed")
    assert [task.workflow for task in base.hand().take()] == ["v"]


def test_two_workflows_get_a_copy_each_and_the_event_counts_once(
    base: Database,
) -> None:
    entry = base.add("both", payload="{}")
    hand = base.hand()
    assert hand.taken().succeeded == 1
    tasks = hand.take()
    assert sorted(task.execution_id for task in tasks) == [
        f"0-{entry}.v",
        f"0-{entry}.w",
    ]
    assert hand.commit(*tasks) == [True, True]
    assert base.stats() == {
        "events_succeeded": 1,
        "executions_started": 2,
        "executions_completed": 2,
    }


def test_an_id_seen_before_is_a_duplicate_whoever_reads_it(base: Database) -> None:
    base.add(id="once")
    base.add(id="once")
    [task] = base.hand("a").take(1)
    taken = base.hand("b").taken()
    assert task.execution_id == "0-once.w"
    assert (taken.tasks, taken.duplicate) == ([], 1)
    assert 0 < base.client.pttl("{t:0}:once:once") <= 60_000


def test_a_redelivered_entry_is_not_its_own_duplicate(base: Database) -> None:
    base.add(id="once")
    base.hand("a").take()
    assert [task.execution_id for task in base.hand("b").claim()] == ["0-once.w"]


def test_an_id_is_still_a_duplicate_when_only_its_record_remembers(
    base: Database,
) -> None:
    base.add(id="once")
    hand = base.hand()
    from workflow_worker.model import Decision, Outcome

    assert hand.commit(*hand.take(), decision=Decision(Outcome.COMPLETED, b"1"))
    base.client.delete("{t:0}:once:once")
    base.add(id="once")
    assert hand.taken().duplicate == 1


def test_an_entry_without_a_name_is_a_dead_letter_whole(base: Database) -> None:
    base.client.xadd(PARTITION.events, {b"\xff\xfe": b"\x00\x01", "payload": "{}"})
    assert base.hand().taken().failed == 1
    [letter] = base.dead()
    assert letter[b"e:\xff\xfe"] == b"\x00\x01"
    assert letter[b"category"] == b"permanent"
    assert (base.backlog(), base.pending()) == (0, 0)


def test_a_payload_one_byte_over_is_a_dead_letter_and_at_the_limit_runs(
    base: Database,
) -> None:
    fits = '{"x": "' + "y" * (1000 - 9) + '"}'
    base.add(payload=fits)
    base.add(payload=fits + " ")
    taken = base.hand().taken()
    assert (len(taken.tasks), taken.failed) == (1, 1)
    assert base.dead()[0][b"e:payload"] == (fits + " ").encode()


def test_an_entry_with_a_thousand_fields_blocks_nothing(base: Database) -> None:
    base.client.xadd(PARTITION.events, {f"f{i}": i for i in range(3000)})
    base.add()
    taken = base.hand().taken()
    assert (len(taken.tasks), taken.failed) == (1, 1)
    assert b"packed" in base.dead()[0]


def test_broken_json_is_handed_out_with_its_defect(base: Database) -> None:
    base.add(payload="{broken")
    [task] = base.hand().take()
    assert task.event is None
    assert "payload" in task.defect


def test_marks_that_somebody_else_wrote_break_nothing(base: Database) -> None:
    odd = {
        "_deliveries": "many",
        "_since": "\u00b2",
        "_origin": b"\xff",
        "_counted": "",
    }
    base.add(_workflow=b"\xff\xfe", **odd)
    base.add(_workflow="w", **odd, payload="{}")
    hand = base.hand()
    tasks = hand.take()
    assert [(task.deliveries, task.waited_ms) for task in tasks] == [(1, 0), (1, 0)]
    assert hand.requeue(*tasks) == [True, True]
    assert len(hand.take()) == 2


def test_the_bell_rings_for_what_comes_after_an_empty_take(base: Database) -> None:

    hand = base.hand()
    base.add()
    hand.take()
    assert hand.take() == []
    assert not hand.hears(10)
    base.add()
    assert hand.hears(1000)


def test_what_rings_the_bell_is_taken_with_it(base: Database) -> None:
    hand = base.hand()
    assert hand.take_when_rung(1) == []
    base.add()
    assert len(hand.take_when_rung()) == 1
    # Like a take of its own, it moves the bell on where it finds nothing.
    assert hand.take_when_rung(1) == []
    assert not hand.hears(1)


def test_a_bell_that_fails_loses_nothing_that_was_handed_out(base: Database) -> None:
    hand = base.hand()
    hand.take()
    base.client.set("{t:0}:bell", "not a stream")
    base.add()
    with pytest.raises(Unavailable, match="can't hand out work: WRONGTYPE"):
        hand.take_when_rung()
    assert not hand.link.connected
    assert len(hand.adopt("a")) == 1


def test_scripts_flushed_between_calls_are_loaded_again(base: Database) -> None:
    hand = base.hand()
    base.add()
    base.client.script_flush()
    tasks = hand.take()
    base.client.script_flush()
    assert hand.renew(*tasks) == [True]
    base.client.script_flush()
    assert hand.commit(*tasks) == [True]
