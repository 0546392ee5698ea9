"""The schedules: owners, those who publish, those who operate, and the world.

Owners take, run, append, commit, crash, pause and come back, in any order, while others
publish, signal, cancel and retry and the clock is moved on. What can be seen at every
moment is checked after every rule, the rest once everything is drained.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tests.functional.broker.machine import books
from tests.functional.broker.machine.broken import Broken
from tests.functional.broker.machine.moves import (
    DELAY,
    END,
    MANY,
    MOVES,
    PLACE,
    RARELY,
    STEPS,
    move,
)
from tests.functional.broker.machine.owner import (
    EARLY_TTL_MS,
    INBOX_LIMIT,
    LONG_MS,
    Base,
    Worker,
)
from tests.functional.broker.machine.plan import ROUTES, UNITS, Entry, Step
from tests.functional.broker.machine.view import OPEN, View, look
from tests.servers import Server
from workflow_worker.broker import boot, control, fleet, publish
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.publish import Message
from workflow_worker.errors import NotPossible

T = TypeVar("T")
SKIP_MS = 100_000
"""Longer than any wait but one, and shorter than signals are kept."""


def pick(things: list[T], place: int) -> T:
    return things[place % len(things)]


class Machine(RuleBasedStateMachine):
    """Owners on one database; ``server`` is set by the test."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.client = self.server.client()
        self.client.flushall()
        self.base = Base(self.server.url, self.client, Partition("t"))
        self.link, self.ledger = self.base.link, self.base.ledger
        boot.check(self.link, self.base.partition)
        fleet.register(self.link, self.base.partition, ROUTES)
        self.born = self.number = self.keys = 0
        self.workers = [self.born_worker() for _ in range(3)]
        self.dead: list[tuple[str, list[str]]] = []
        self.view = View()

    @initialize(solo=st.booleans())
    def choose(self, solo: bool) -> None:
        """Either every execution has a key of its own, or all share two."""
        self.ledger.solo = solo

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """Make one move."""
        able = [name for name, move in MOVES.items() if move.when(self)]
        names = [name for name in able for _ in range(MOVES[name].weight)]
        name = data.draw(st.sampled_from(names), label="move")
        getattr(self, name)(**data.draw(MOVES[name].arguments, label=name))

    def born_worker(self) -> Worker:
        self.born += 1
        return Worker(self.base, f"w{self.born}")

    def known(self, *statuses: str) -> list[str]:
        """Return executions with one of these, in the order in which they first ran."""
        there = set(self.view.with_status(*statuses))
        return [i for i in self.base.known if i in there]

    # What others send.

    def send(self, name: str, plan: Entry, *, new: bool = True, **how: Any) -> None:
        message = Message(name, json.dumps(plan).encode(), **how)
        publish.publish(self.link, self.base.partition, [message])
        self.ledger.note(name, new=new, addressed=bool(message.execution_id))

    def numbered(self, delay_ms: int = 0) -> int | None:
        """Number an event by its place in the stream; one for later has none."""
        self.number += 1
        return None if delay_ms else self.number

    def key(self, place: int) -> str:
        """Return a key of some execution, of the past or of the near future."""
        if not self.ledger.solo:
            return f"k{place % 2}"
        return f"k{max(0, self.keys + 2 - place)}"

    def nth_id(self) -> str:
        return f"e{len(self.ledger.ids):03}"

    def next_id(self, name: str, key: str) -> str:
        event_id = self.nth_id()
        self.ledger.ids[event_id] = name, key
        return event_id

    @move(
        2,
        name=st.sampled_from(["go", "go", "go", "both", "ping", "nobody"]),
        steps=STEPS,
        end=END,
        delay=DELAY,
        keep=st.booleans(),
        named=st.booleans(),
        place=PLACE,
    )
    def publish_start(
        self,
        name: str,
        steps: list[Step],
        end: str,
        delay: int,
        keep: bool,
        named: bool,
        place: int,
    ) -> None:
        plan = {"n": self.numbered(delay), "steps": steps, "end": end}
        self.keys += 1
        key = f"k{self.keys}" if self.ledger.solo else self.key(place)
        event_id = self.next_id(name, key) if named or delay else ""
        self.send(name, plan, key=key, id=event_id, delay_ms=delay, keep=keep)

    @move(
        3,
        names=st.lists(st.sampled_from(sorted(UNITS)), min_size=1, max_size=3),
        place=PLACE,
        delay=DELAY,
        named=st.booleans(),
    )
    def signal_by_key(
        self, names: list[str], place: int, delay: int, named: bool
    ) -> None:
        """Also before its execution, and after; a kick starts one besides."""
        key = self.key(place)
        for name in names:
            plan: Entry = {"n": self.numbered(delay), "steps": [], "end": "done"}
            event_id = self.next_id(name, key) if named or delay else ""
            self.send(name, plan, key=key, id=event_id, delay_ms=delay)

    @move(2, name=st.sampled_from(["s1", "s2"]), place=PLACE)
    def signal_by_id(self, name: str, place: int) -> None:
        to = pick([f"0-{self.nth_id()}.case", *reversed(self.base.known)], place)
        self.send(name, {"n": self.numbered()}, execution_id=to)

    @move(2, when=lambda self: self.ledger.ids, place=PLACE, delay=DELAY)
    def publish_an_id_again(self, place: int, delay: int) -> None:
        event_id = pick(sorted(self.ledger.ids), place)
        name, key = self.ledger.ids[event_id]
        plan = {"n": self.numbered(delay), "steps": [["act"]], "end": "result"}
        self.send(name, plan, new=False, key=key, id=event_id, delay_ms=delay)

    # What operators ask.

    @move(2, when=lambda self: self.known(*OPEN), place=PLACE)
    def cancel(self, place: int) -> None:
        i = pick(self.known(*OPEN), place)
        at = self.base.partition
        answer = control.cancel(self.link, at, i, LONG_MS, EARLY_TTL_MS)
        self.ledger.steps[i] += answer == "cancelled"
        if answer == "asked":
            self.ledger.asked.add(i)

    @move(5, when=lambda self: self.known("failed", "cancelled"), place=PLACE)
    def retry(self, place: int) -> None:
        i = pick(self.known("failed", "cancelled"), place)
        with suppress(NotPossible):
            at = self.base.partition
            control.retry(self.link, at, i, EARLY_TTL_MS, INBOX_LIMIT)
            self.ledger.steps[i] += 1
            self.ledger.asked.discard(i)
            self.ledger.reopened.add(i)

    # What owners do.

    def one_of(self, able: Callable[[Worker], object], place: int) -> Worker:
        return pick([worker for worker in self.workers if able(worker)], place)

    @move(5, when=lambda self: self.view.unread, place=PLACE, most=MANY, lost=RARELY)
    def take(self, place: int, most: int, lost: bool) -> None:
        pick(self.workers, place).take(most, reply_lost=lost)

    @move(8, when=lambda self: self.view.unread, place=PLACE, most=MANY)
    def serve(self, place: int, most: int) -> None:
        """All that a worker does where nothing gets in its way."""
        worker = pick(self.workers, place)
        worker.take(most)
        worker.run(worker.runs)
        worker.commit(worker.decided)

    @move(
        6,
        when=lambda self: any(worker.undecided for worker in self.workers),
        place=PLACE,
        which=PLACE,
        twice=st.booleans(),
    )
    def go_on(self, place: int, which: int, twice: bool) -> None:
        """One run gets as far as its next action, or its end."""
        worker = self.one_of(lambda worker: worker.undecided, place)
        worker.go_on(pick(worker.undecided, which), twice=twice)

    @move(
        4,
        when=lambda self: any(worker.undecided for worker in self.workers),
        place=PLACE,
    )
    def run(self, place: int) -> None:
        worker = self.one_of(lambda worker: worker.undecided, place)
        worker.run(worker.runs)

    @move(
        4,
        when=lambda self: any(worker.decided for worker in self.workers),
        place=PLACE,
        most=MANY,
        twice=st.booleans(),
    )
    def commit(self, place: int, most: int, twice: bool) -> None:
        worker = self.one_of(lambda worker: worker.decided, place)
        worker.commit(worker.decided[:most], twice=twice)

    @move(
        4,
        when=lambda self: any(worker.runs for worker in self.workers),
        place=PLACE,
        most=MANY,
        serve=st.booleans(),
    )
    def claim(self, place: int, most: int, serve: bool) -> None:
        """The others' leases have run out; they don't know."""
        worker = pick(self.workers, place)
        worker.claim(most)
        if serve:
            worker.run(worker.runs)
            worker.commit(worker.decided)

    @move(
        4,
        when=lambda self: any(worker.stale for worker in self.workers),
        place=PLACE,
        how=st.sampled_from(["renew", "commit", "commit", "requeue"]),
    )
    def a_former_owner_comes_back(self, place: int, how: str) -> None:
        worker = self.one_of(lambda worker: worker.stale, place)
        if how == "renew":
            worker.renew()
        elif how == "commit":
            worker.run(worker.stale)
            worker.commit([run for run in worker.stale if run.decision])
        else:
            worker.requeue(worker.stale, 0)

    @move(1, when=lambda self: any(worker.runs for worker in self.workers), place=PLACE)
    def renew(self, place: int) -> None:
        self.one_of(lambda worker: worker.runs, place).renew()

    @move(
        1,
        when=lambda self: any(worker.runs for worker in self.workers),
        place=PLACE,
        most=MANY,
        delay=DELAY,
    )
    def requeue(self, place: int, most: int, delay: int) -> None:
        worker = self.one_of(lambda worker: worker.runs, place)
        worker.requeue(worker.runs[:most], delay)

    @move(
        2,
        when=lambda self: any(worker.reply_lost for worker in self.workers),
        place=PLACE,
    )
    def find_what_a_lost_reply_held(self, place: int) -> None:
        worker = self.one_of(lambda worker: worker.reply_lost, place)
        worker.adopt(worker.name, [])

    @move(1, place=PLACE, kill=st.booleans())
    def worker_goes(self, place: int, kill: bool) -> None:
        """By its own will only if it owns nothing."""
        place %= len(self.workers)
        worker = self.workers[place]
        if kill:
            self.dead.append((worker.name, [run.task.entry for run in worker.runs]))
        if kill or worker.leave():
            self.workers[place] = self.born_worker()

    @move(3, when=lambda self: self.dead, place=PLACE, counted=st.booleans())
    def adopt(self, place: int, counted: bool) -> None:
        name, held = self.dead.pop()
        pick(self.workers, place).adopt(name, held if counted else [])

    # What the world does.

    @move(2, when=lambda self: self.view.timers or self.view.early, restart=RARELY)
    def time_passes(self, restart: bool) -> None:
        """All that waits for a time is due; the marks of what closed are gone."""
        if restart:
            self.client.script_flush()
        ahead = self.base.partition.ahead_ms + SKIP_MS
        self.base.partition = Partition("t", ahead_ms=ahead)
        late = self.client.keys(self.base.partition.prefix + "late:*")
        if late:
            self.client.delete(*late)

    # What must hold.

    @invariant()
    def one_wake(self) -> None:
        self.view = look(self.client, self.base.partition)
        books.one_wake(self.view)

    def teardown(self) -> None:
        """Drain and close the books, unless something is broken already."""
        try:
            if sys.exception() is None:
                self.drain()
                books.close(
                    look(self.client, self.base.partition),
                    self.ledger,
                    self.base.outside,
                )
        finally:
            self.link.close()
            self.client.close()

    def drain(self) -> None:
        worker = self.born_worker()
        for _ in range(300):
            came = worker.claim(50) + worker.take(50)
            worker.run(worker.runs)
            worker.commit(worker.decided)
            view = look(self.client, self.base.partition)
            if not came and not view.fanout and not view.entries:
                if not view.timers:
                    return
                self.time_passes(restart=False)
        raise Broken(f"one wake: it never ends, {view}")
