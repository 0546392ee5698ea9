"""The short way of a commit ends as the long one does, and leaves to it what it must.

Each story is told twice, once where nothing goes the short way, and both databases are
compared as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.broker.audit import Books
from tests.functional.broker.conftest import PARTITION, Database, Hand
from tests.functional.broker.machine.mutants import Mutant, replaced
from tests.functional.broker.stories import (
    LONG,
    NOTHING,
    SHORT,
    Story,
    a_cancel_meanwhile,
    acted,
    done,
    event,
    mixed,
)
from workflow_worker.broker import boot
from workflow_worker.broker.commit import Item, Landed, Retention, commit
from workflow_worker.model import Task

ALL_THE_LONG_WAY = Mutant(
    "nothing goes the short way",
    "",
    "  answer = complete(d)\n",
    "  if owned[d.entry] ~= d.count then answer = 0 end\n",
)
NO_TIME = Retention(result_ttl_ms=0, result_limit=100)
A_MINUTE = Retention(result_ttl_ms=60_000, result_limit=100)
LESS = Retention(result_ttl_ms=-1, result_limit=100)
FEW = Retention(result_ttl_ms=60_000, result_limit=2)

KEPT = {"{t:0}:routes", "{t}:meta"}
"""Keys that every story begins with."""

Tell = Callable[[Story, Retention], tuple[list[Landed], bool]]
"""Tells a story both ways; returns its answers, and whether it can go the short way."""


def timeless(value: Any) -> Any:
    """The same, where each time and each id the server gave is a T."""
    if isinstance(value, dict):
        return {timeless(name): timeless(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [timeless(each) for each in value]
    return re.sub(r"\d{13}(\.0|-\d+)?", "T", repr(value))


def everything(base: Database) -> Any:
    """The whole database, but for what a story does not touch."""
    client, found = base.client, {}
    read: dict[bytes, Callable[[str], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: dict(client.zrange(key, 0, -1, withscores=True)),
        b"stream": client.xrange,
    }
    for key in base.all_keys() - KEPT:
        found[key] = read[client.type(key)](key)
    return timeless(found | {"pending": base.pending()})


def told(
    base: Database, story: Story, retention: Retention
) -> tuple[list[Landed], Any, bool]:
    """What came of a story, what it left, and whether it went the short way."""
    base.client.delete(*(base.all_keys() - KEPT))
    hand = base.hand()
    boot.check(hand.link, PARTITION)
    batch = story(base, hand)
    base.client.config_resetstat()
    answers = commit(hand.link, hand.owner, batch, retention)
    short = "cmdstat_hgetall" not in base.client.info("commandstats")
    return answers, everything(base), short


@pytest.fixture
def tell(base: Database) -> Tell:
    def both_ways(story: Story, retention: Retention) -> tuple[list[Landed], bool]:
        with replaced(ALL_THE_LONG_WAY):
            wanted, long, _ = told(base, story, retention)
        answers, short, is_short = told(base, story, retention)
        assert answers == wanted
        assert short == long
        return answers, is_short

    return both_ways


KEEPING = pytest.mark.parametrize(
    "retention",
    [NO_TIME, LESS, A_MINUTE, FEW],
    ids=["no time", "less", "a minute", "few"],
)


@KEEPING
@pytest.mark.parametrize("story", SHORT, ids=lambda story: story.__name__)
def test_the_short_way_ends_as_the_long_one(
    base: Database, tell: Tell, story: Story, retention: Retention
) -> None:
    answers, is_short = tell(story, retention)
    assert set(answers) == {Landed.COMMITTED}
    assert is_short
    Books(base.client, PARTITION).check()


@KEEPING
@pytest.mark.parametrize("story", LONG, ids=lambda story: story.__name__)
def test_what_concerns_others_goes_the_long_way(
    tell: Tell, story: Story, retention: Retention
) -> None:
    answers, is_short = tell(story, retention)
    cancelled = story is a_cancel_meanwhile
    assert answers == [Landed.CANCELLED if cancelled else Landed.COMMITTED]
    assert not is_short


@pytest.mark.parametrize("story", NOTHING, ids=lambda story: story.__name__)
def test_nothing_comes_of_what_is_fenced(
    base: Database, tell: Tell, story: Story
) -> None:
    answers, _ = tell(story, A_MINUTE)
    assert answers == [Landed.LOST]
    assert "executions_completed" not in base.stats()


@KEEPING
def test_answers_come_in_order(tell: Tell, retention: Retention) -> None:
    answers, _ = tell(mixed, retention)
    one, lost, two = Landed.COMMITTED, Landed.LOST, Landed.CANCELLED
    assert answers == [one, lost, one, one, two, one]


def test_only_so_many_are_kept(base: Database, tell: Tell) -> None:
    def six(base: Database, hand: Hand) -> list[Item]:
        return [(event(base, hand, number), done()) for number in range(1, 7)]

    _, is_short = tell(six, FEW)
    assert is_short
    assert base.client.zcard("{t:0}:expiry") == FEW.result_limit
    Books(base.client, PARTITION).check()


@pytest.mark.usefixtures("books")
def test_a_server_that_forgot_the_scripts_is_sent_the_text(base: Database) -> None:
    hand = base.hand()
    tasks = [acted(base, hand, number) for number in (1, 2)]
    for task in tasks:
        base.client.script_flush()
        assert hand.commit(task, decision=done(journaled=1)) == [True]
    assert base.stats()["executions_completed"] == 2


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize(("begin", "kind"), [(event, "x"), (event, "j"), (acted, "j")])
def test_who_is_refused_is_closed_and_its_neighbours_are_committed(
    base: Database, begin: Callable[..., Task], kind: str, at: int
) -> None:
    hand = base.hand()
    tasks = [begin(base, hand, number) for number in (1, 2, 3)]
    foreign = f"{PARTITION.prefix}{kind}:{tasks[at].execution_id}"
    base.client.delete(foreign)
    base.client.set(foreign, "in the way")
    decision = done(journaled=int(begin is acted))
    landed = [Landed.COMMITTED] * 3
    landed[at] = Landed.REFUSED
    assert hand.landed(*tasks, decision=decision) == landed
    base.client.delete(foreign)
    [letter] = base.dead()
    assert letter[b"error_type"] == b"CommitRefused"
    assert letter[b"e:payload"] == b'{"a":1}'
    stats = base.stats()
    assert (stats["executions_completed"], stats["executions_failed"]) == (2, 1)
    assert (stats["executions_started"], stats["events_failed"]) == (3, 1)
    assert (base.backlog(), base.pending()) == (0, 0)
    # Where the record itself was in the way, there is none.
    record = base.record(tasks[at].execution_id)
    assert record.get("status", "failed") == "failed"
    assert bool(record) == (kind != "x")
