"""The invariants of the protocol, by name, checked on what Redis knows.

What only the model can know, it brings along as a :class:`Ledger`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.functional.broker.machine.broken import expect, same
from tests.functional.broker.machine.plan import (
    STARTS,
    TRIES,
    UNITS,
    Entry,
    Outside,
    kinds_of,
)
from tests.functional.broker.machine.view import CLOSED, OPEN, View


@dataclass
class Ledger:
    """What was sent, and what commits were said to have landed.

    Attributes:
        solo: every key has at most one execution.
        sent: how many events, those with a known id included.
        starts: executions that these start.
        units: signals, once for each workflow that they are one for.
        emitted: names of events that landed commits published.
        children: executions that landed commits started.
        steps: how often something changed an execution for good, by execution.
        asked: executions that are to be cancelled by whoever runs them.
        retries: tries that failed and were not the last, by execution.
        reopened: executions that an operator made go on: their tries begin anew.
        ids: publish ids used, with the name and key of their events.
    """

    solo: bool = False
    sent: int = 0
    starts: int = 0
    units: int = 0
    emitted: Counter[str] = field(default_factory=Counter)
    children: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    asked: set[str] = field(default_factory=set)
    retries: Counter[str] = field(default_factory=Counter)
    reopened: set[str] = field(default_factory=set)
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)

    def note(self, name: str, *, new: bool, addressed: bool = False) -> None:
        """Note an event that was sent; not new if its id was used before."""
        self.sent += 1
        if new:
            self.starts += STARTS.get(name, 0)
            self.units += 1 if addressed else UNITS.get(name, 0)


def one_wake(view: View) -> None:
    """An open execution runs and has one wake outstanding, or waits and has none."""
    for i in view.records:
        places, status = view.outstanding(i), view.status(i)
        wanted = 1 if status == "running" else 0
        same(len(places), wanted, "one wake", f"{i} is {status}, wakes {places}")
        if status == "running":
            _fired(view, i)
        elif status in OPEN:
            _sleeps(view, i)
        else:
            expect(f"w:{i}" not in view.timers, "one wake", f"timer of {i}, {status}")
    expect(set(view.timers) >= set(view.data), "one wake", "data without its timer")


def _fired(view: View, i: str) -> None:
    """Check that what is over is over: by its own time, not by that of a try beside."""
    record = view.records[i]
    if int(record.get("fired", 0)):
        due = record["again" if "retry" in record else "due"]
        expect(int(due) <= view.now_ms, "one wake", f"{i} went on too early", record)


def _sleeps(view: View, i: str) -> None:
    names, record = view.waits_for(i), view.records[i]
    there = [name for _, name, _ in view.inbox(i) if name in names]
    expect(not there, "one wake", f"{i} sleeps over {there}")
    dues = [float(record[name]) for name in ("due", "again") if name in record]
    first = min(dues, default=None)
    same(view.timers.get(f"w:{i}"), first, "one wake", f"timer of {i}, {dues}")
    children = [name for name in names if name.startswith("/")]
    for child in children:
        fine = view.status(i + child) in OPEN
        expect(fine, "one wake", f"{i} waits for {child}, which has ended")
    if view.status(i) == "retrying":
        fine = "again" in record and "retry" in record
        expect(fine and not names and "due" not in record, "one wake", i, record)
    expect(dues or names, "one wake", f"{i} waits for nothing")


def close(view: View, ledger: Ledger, outside: Outside) -> None:
    """Check all that can be seen once everything is drained."""
    one_wake(view)
    conservation(view, ledger)
    single_commit(view, ledger)
    order(view)
    seen_is_durable(view, outside)
    determinism(view)
    retries(view, ledger)
    keys(view)


def conservation(view: View, ledger: Ledger) -> None:
    """Nothing is lost and nothing counts twice; on a drained database."""
    stats, name = view.stats, "conservation"
    emitted = ledger.emitted

    def sum_of(*keys: str) -> int:
        return sum(stats[key] for key in keys)

    outcomes = ("succeeded", "failed", "duplicate", "ignored")
    same(
        sum_of(*(f"events_{outcome}" for outcome in outcomes)),
        ledger.sent + emitted.total(),
        name,
        "events",
    )
    starts = ledger.starts + ledger.children
    starts += sum(STARTS.get(event, 0) * n for event, n in emitted.items())
    same(stats["executions_started"], starts, name, "starts")
    closed = sum_of(*(f"executions_{status}" for status in CLOSED))
    same(starts - closed, len(view.with_status(*OPEN)), name, "open")
    _signals(view, ledger)
    same((view.entries, view.timers, view.pending), ({}, {}, 0), name, "drained")


def _signals(view: View, ledger: Ledger) -> None:
    stats, name = view.stats, "conservation"
    inboxes = sum(len(view.signals_in(i)) for i in view.inboxes)
    left = stats["signals_consumed"] + stats["signals_unconsumed"] + inboxes
    same(stats["signals_delivered"], left, name, "signals delivered")
    rejected = sum(letter["error_type"] == b"InvalidEvent" for letter in view.letters)
    early = sum(view.early.values())
    accounted = left + early + rejected
    accounted += sum(
        stats[f"signals_{fate}"] for fate in ("expired", "ignored", "dead")
    )
    units = ledger.units
    units += sum(UNITS.get(event, 0) * n for event, n in ledger.emitted.items())
    fine = accounted == units if ledger.solo else accounted >= units
    expect(fine, name, f"signals: {accounted} accounted for of {units}", dict(stats))


def single_commit(view: View, ledger: Ledger) -> None:
    """Each step committed once, and the counters are the sums over the records."""
    name = "single commit"
    for i, record in view.records.items():
        same(int(record["step"]), ledger.steps[i], name, f"steps of {i}")
        listed = [status for status, ids in view.by_status.items() if i in ids]
        same(listed, [view.status(i)], name, f"listing of {i}")
    for status in CLOSED:
        plain = view.stats["executions_started"] - len(view.records)
        count = len(view.with_status(status)) + plain * (status == "completed")
        same(view.stats[f"executions_{status}"], count, name, status)
    dead = len(view.with_status("failed")) + view.stats["signals_dead"]
    others = Counter(letter["error_type"].decode() for letter in view.letters)
    same(len(view.letters), dead + others["InvalidEvent"], name, f"letters: {others}")
    expect(set(others) <= {"Toy", "InboxFull", "InvalidEvent"}, name, others)
    _carried_out(view, ledger)


def _carried_out(view: View, ledger: Ledger) -> None:
    """What a journal says was emitted and started was, and is there."""
    entries = [e for i in view.records for run in view.history(i) for e in run]
    emits = Counter(e["name"] for e in entries if e["kind"] == "emit")
    expect(emits <= ledger.emitted, "single commit", f"{emits}, {ledger.emitted}")
    for i in view.records:
        for run in view.history(i):
            for entry in run:
                child = f"{i}/{entry.get('mark')}"
                if entry["kind"] == "start":
                    expect(child in view.records, "single commit", f"no child {child}")


def keys(view: View) -> None:
    """What is closed left its record and journal; and what children told, to retry."""
    waiting = set(view.with_status(*OPEN))
    for i in set(view.inboxes) - waiting:
        kept = [name for _, name, _ in view.inbox(i) if not name.startswith("/")]
        fine = view.status(i) in {"failed", "cancelled"} and not kept
        expect(fine, "keys", f"inbox of {i}, {view.status(i)}", view.inbox(i))
    expect(set(view.journals) <= set(view.records), "keys", "journals")
    opened = set().union(*view.opened.values()) if view.opened else set()
    takes = {i for i in waiting if view.workflow(i) != "plain"}
    same(opened, takes, "keys", "open for signals")
    same((view.fanout, view.data), (0, {}), "keys", "left over")


def order(view: View) -> None:
    """Signals are consumed in stream order, and after their start."""
    reached: dict[tuple[str, int], list[str]] = {}
    for i in view.records:
        came = _consumed(view, i) + [(None, *s) for s in view.signals_in(i)]
        for place, (names, _, n) in enumerate(came):
            later = [m for _, name, m in came[place + 1 :] if names and name in names]
            passed = [m for m in later if m is not None and n is not None and m < n]
            expect(not passed, "order", f"{i} consumed {n} before {passed}")
        for _, _, n in came:
            if n is not None:
                reached.setdefault((view.workflow(i), n), []).append(i)
    for (_, n), executions in reached.items():
        starts = [view.plan(i).get("n") for i in executions]
        late = [start for start in starts if start is not None and start > n]
        expect(not late or len(starts) == 1, "order", f"{n} went on to {executions}")
        same(len(set(executions)), len(executions), "order", f"{n} came twice")


def _consumed(view: View, i: str) -> list[tuple[Any, ...]]:
    """Return the awaited names, name and number of each signal consumed, in order."""
    kinds = kinds_of(view.plan(i)["steps"])
    found: list[tuple[Any, ...]] = []
    for run in view.history(i):
        for entry in run:
            if entry["kind"] == "wait" and entry["result"]:
                found.append((kinds[entry["ordinal"] - 1][1][1], *entry["result"]))
    return found


def seen_is_durable(view: View, outside: Outside) -> None:
    """What an action had seen when it began is still what the journal says."""
    for i, number, seen in outside.acts:
        if not seen:
            continue
        expect(i in view.records, "seen is durable", f"{i} left no record")
        runs = view.history(i)
        expect(number < len(runs), "seen is durable", f"{i} has no run {number}")
        lost = [entry for entry in seen if entry not in runs[number]]
        expect(not lost, "seen is durable", f"{i} had seen {lost}, has {runs[number]}")


def determinism(view: View) -> None:
    """Each journal holds, for each ordinal, one entry of the kind the code asks for.

    What undoes it goes on counting where the code ended, and is in its last run.
    """
    for i in view.records:
        kinds = [kind for kind, _ in kinds_of(view.plan(i)["steps"])]
        *earlier, last = view.history(i)
        for run in (*earlier, last):
            _fits(i, [e for e in run if e["kind"] not in UNDOING], kinds)
        expect(not any(map(_undoing, earlier)), "determinism", f"undone runs of {i}")
        undoing = _undoing(last)
        done = [e["ordinal"] for e in undoing if e["kind"] == "undo"]
        same(len(set(done)), len(done), "determinism", f"undos of {i}")
        ends = [e for e in undoing if e["kind"] == "end"]
        expect(len(ends) <= 1, "determinism", f"{i} ended twice", ends)


UNDOING = ("undo", "undotry", "end")


def _undoing(run: list[Entry]) -> list[Entry]:
    return [entry for entry in run if entry["kind"] in UNDOING]


def _fits(i: str, run: list[Entry], kinds: list[str]) -> None:
    done = [entry["ordinal"] for entry in run if entry["kind"] not in TRIES]
    same(len(set(done)), len(done), "determinism", f"ordinals of {i}")
    for entry in run:
        kind = TRIES.get(entry["kind"], entry["kind"])
        wanted = kinds[entry["ordinal"] - 1]
        same(kind, wanted, "determinism", f"{i}, {entry['ordinal']}")


def retries(view: View, ledger: Ledger) -> None:
    """Every try that failed and was not the last is kept, and counted once."""
    name = "retries"
    same(view.stats["retries"], ledger.retries.total(), name, "count")
    for i in set(view.records) - ledger.reopened:
        tries = [e for run in view.history(i) for e in run if e["kind"] in TRIES]
        again = int(view.records[i].get("attempt", 1)) - 1
        same(len(tries) + again, ledger.retries[i], name, f"tries of {i}")
