"""Dead letters: read whole; purged with what is behind them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.functional.broker.audit import Books
from tests.functional.broker.conftest import (
    PARTITION,
    TTL_MS,
    Database,
    Hand,
    suspended,
)
from tests.functional.broker.test_retry import entry, failed
from workflow_worker.broker import letters
from workflow_worker.broker.letters import DeadLetter, Reading, Selection
from workflow_worker.model import Task

pytestmark = pytest.mark.usefixtures("books")
INBOX_LIMIT = 2


def read(hand: Hand, after: str = "-", **wanted: Any) -> list[DeadLetter]:
    reading = Reading(Selection(**wanted), after)
    found = []
    while not reading.over:
        found += reading.page(hand.link, PARTITION)
    return found


def redrive(hand: Hand, *ids: str) -> list[str]:
    """Give these another try, all there are by default; return what came of each."""
    known = ids or tuple(letter.id for letter in read(hand))
    limits = {
        "early_ttl_ms": TTL_MS,
        "inbox_limit": INBOX_LIMIT,
        "dedup_ttl_ms": TTL_MS,
    }
    waiting, answers = letters.redrive(hand.link, hand.partition, known, **limits)
    assert waiting == hand.link.call("XLEN", PARTITION.events)
    return answers


def purge(hand: Hand, *ids: str) -> list[int]:
    known = ids or tuple(letter.id for letter in read(hand))
    return letters.purge(hand.link, PARTITION, known)


def dies(base: Database, hand: Hand, name: str = "open", **fields: Any) -> Task:
    """An execution that failed with its first action."""
    base.add(name, **{"payload": "{}", **fields})
    task = hand.begin()
    hand.append(task, entry(1), entry(2))
    why = {"closing": 2, "seen": 2, "reason": "as declared", "action": "act"}
    failed(hand, task, 2, exit="SIGSEGV", traceback="line 1", attempts=4, **why)
    return task


def test_a_letter_says_all_that_is_known(base: Database) -> None:
    hand = base.hand()
    at = base.add(
        "open", key="k", id="7", payload='{"a":1}', colour="red", headers="{}"
    )
    hand.commit(hand.begin(), decision=suspended(1, "step"))
    base.signal("step", 1, key="k")
    hand.take()
    failed(hand, hand.begin(), reason="as declared", action="act", exit="SIGSEGV")
    [letter] = read(hand)
    shown = letter.as_object()
    stamps = [shown.pop(name) for name in ("firstTriedAt", "lastTriedAt")]
    assert all(len(at) == len("2026-01-02T03:04:05.678Z") for at in stamps)
    assert stamps == sorted(stamps)
    assert at != letter.entry
    assert shown == {
        "id": letter.id,
        "event": {
            "name": "open",
            "key": "k",
            "id": "7",
            "payload": {"a": 1},
            "headers": {"colour": "red"},
        },
        "workflow": "s",
        "executionId": "0-7.s",
        "category": "permanent",
        "reason": "as declared",
        "errorType": "ValueError",
        "message": "no",
        "traceback": "",
        "action": "act",
        "attempts": 1,
        "deliveries": 1,
        "exit": "SIGSEGV",
    }


def test_what_is_no_event_is_shown_as_it_is(base: Database) -> None:
    hand = base.hand()
    at = base.client.xadd(
        PARTITION.events, {"payload": b"\xff{", "headers": "[1", b"\xfe": b"\xfd"}
    )
    hand.take()
    [letter] = read(hand)
    shown = json.loads(json.dumps(letter.as_object()))
    assert (shown["workflow"], shown["executionId"]) == ("", "")
    assert shown["errorType"] == "InvalidEvent"
    assert shown["event"] == {
        "name": "",
        "key": at.decode(),
        "id": at.decode(),
        "payload": "\\xff{",
        "headers": {"\\xfe": "\\xfd", "headers": "[1"},
    }


def test_a_letter_of_very_many_fields_is_whole(base: Database) -> None:
    hand = base.hand()
    fields = {f"f{i}": bytes([i % 256]) * (i % 40) for i in range(600)}
    fields |= {"short": b"s" * 300, "long": b"l" * 70_000}
    base.add("go", **fields)
    assert hand.take() == []
    [letter] = read(hand)
    assert letter.event_name == "go"
    assert letter.fields == {"name": b"go", **fields}


def test_any_number_of_them_is_read_page_by_page(base: Database) -> None:
    hand = base.hand()
    for size in (100_000, 10):
        for _ in range(120):
            base.add("", payload="x" * size)
    while hand.taken(100).failed:
        pass
    reading, pages = Reading(Selection()), []
    while not reading.over:
        pages.append([one.id for one in reading.page(hand.link, PARTITION)])
    ids = [letter_id for page in pages for letter_id in page]
    assert (len(ids), len(set(ids))) == (240, 240)
    # As many as fit, once it is known how large they are.
    assert {len(page) for page in pages[1:50]} == {2}
    assert 50 < max(map(len, pages)) <= letters.PAGE
    assert [letter.id for letter in read(hand, ids[99])] == ids[100:]
    some = (ids[3], "nonsense", ids[1], "1-1", ids[3])
    reading = Reading(Selection(some))
    assert [one.id for one in reading.page(hand.link, PARTITION)] == [ids[3], ids[1]]
    assert (reading.over, reading.missing) == (True, ["nonsense", "1-1"])


def test_they_are_selected_by_workflow_and_error(base: Database) -> None:
    hand = base.hand()
    dies(base, hand, id="1")
    dies(base, hand, "go", id="2")
    base.add("")
    hand.take()
    one, two, three = read(hand)
    assert read(hand, workflow="w") == [two]
    assert read(hand, error_type="ValueError") == [one, two]
    assert read(hand, error_type="ValueError", workflow="s") == [one]
    assert read(hand, error_type="Error") == []
    assert read(hand, ids=(one.id, three.id), workflow="") == [three]


@pytest.mark.parametrize(
    ("asked", "fits"),
    [("shop.Empty", True), ("Empty", True), ("pty", False), ("Empty.", False)],
)
def test_the_last_part_of_an_error_is_enough(
    base: Database, asked: str, fits: bool
) -> None:
    hand = base.hand()
    base.client.xadd(PARTITION.dead, {"error_type": "shop.Empty"})
    assert bool(read(hand, error_type=asked)) == fits


def test_age_is_told_by_the_servers_clock(base: Database) -> None:
    hand = base.hand()
    seconds, _ = base.client.time()
    for age in (3600, 60, 0):
        base.client.xadd(PARTITION.dead, {"n": age}, id=f"{(seconds - age) * 1000}-5")
    oldest, old, new = [letter.id for letter in read(hand)]
    for ms, found in ((7200_000, ""), (1800_000, oldest), (30_000, old), (None, new)):
        assert letters.last(hand.link, PARTITION, ms) == found
    assert read(hand, upto="") == []
    assert [letter.id for letter in read(hand, upto=old)] == [oldest, old]
    assert [letter.id for letter in read(hand, ids=(new, oldest), upto=old)] == [oldest]


def test_a_purge_leaves_nothing_of_a_failed_execution(base: Database) -> None:
    hand = base.hand()
    task = dies(base, hand, key="k", id="7")
    base.client.script_flush()
    stats = base.stats()
    assert purge(hand) == [2]
    names = Books(base.client, PARTITION).names
    assert not {name for name in names if task.execution_id in name}
    assert base.client.zcard(PARTITION.by_status("failed")) == 0
    assert (base.dead(), base.stats()) == ([], stats)


def test_a_purge_repeated_after_a_lost_reply_does_nothing(base: Database) -> None:
    hand = base.hand()
    dies(base, hand, id="1")
    base.add("")
    hand.take()
    ids = [letter.id for letter in read(hand)]
    assert purge(hand, *ids) == [2, 1]
    assert purge(hand, *ids) == [0, 0]


def test_a_purge_leaves_alone_what_runs_again(base: Database) -> None:
    hand = base.hand()
    task = dies(base, hand)
    [stale] = base.dead()
    hand.retry(task.execution_id)
    base.client.xadd(PARTITION.dead, stale)
    assert purge(hand) == [1]
    assert base.wakes() == [task.execution_id]
