"""A system at rest holds nothing back: no leases, names, timers, keys of nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.chaos.campaign.books import NO_END
from tests.chaos.campaign.checker.case import Case
from tests.chaos.campaign.checker.verdict import Violation
from tests.functional.broker.machine.books import one_wake
from tests.functional.broker.machine.broken import Broken
from tests.functional.broker.machine.view import CLOSED, OPEN

PARTITION = "{wf:0}:"
FLEET = {"{wf}:meta", "{wf}:instances", "{wf}:beats"}
ONE_EACH = {
    *("events", "bell", "timers", "timer-data", "expiry", "early", "fanout"),
    *("dead", "stats", "routes", "fence"),
}
"""Keys that a partition has once; the others are of an execution, or run out."""
RUN_OUT = {"once", "late", "lock", "quarantine"}


def pending(case: Case) -> Iterator[Violation]:
    """Nothing is leased, queued or timed."""
    view, snapshot = case.view, case.snapshot
    for entry, consumer in snapshot.pending:
        yield Violation("pending", f"{consumer} still owns an entry", entry)
    for entry, fields in view.entries.items():
        said = {
            name: value.decode("utf-8", "replace") for name, value in fields.items()
        }
        yield Violation("pending", f"an entry is in the stream: {said}", entry)
    for member in view.timers:
        execution = member.removeprefix("w:")
        waits = execution in view.records and view.status(execution) in OPEN
        if member == execution or not waits:
            yield Violation("pending", "a timer is set, for nobody who waits", member)
    for member in set(view.data) - set(view.timers):
        yield Violation("pending", "what a timer was to do lost its timer", member)
    if view.fanout:
        yield Violation("pending", f"{view.fanout} signals are on their way", "fanout")


def consumers(case: Case) -> Iterator[Violation]:
    """Every name in the group has a process."""
    snapshot = case.snapshot
    for name in sorted(set(snapshot.consumers) - snapshot.living):
        text = f"a consumer without a process owns {snapshot.consumers[name]} entries"
        yield Violation("consumers", text, name)


def wake(case: Case) -> Iterator[Violation]:
    """Whoever runs has one wake, whoever waits a timer or something to come."""
    try:
        one_wake(case.view)
    except Broken as broken:
        text = str(broken)
        found = re.search(r"0-[^\s,{}]+", text)
        yield Violation("wake", text, found.group() if found else "")


def ownership(case: Case) -> Iterator[Violation]:
    """Every key belongs to something, or ends by itself."""
    view = case.view

    def is_open(execution: str) -> bool:
        return execution in view.records and view.status(execution) in OPEN

    owned: dict[str, Callable[[str], bool]] = {
        "x": lambda rest: is_kept(case, rest),
        "j": lambda rest: rest in view.records,
        "in": lambda rest: rest in view.records and view.status(rest) != "completed",
        "open": lambda rest: all(map(is_open, view.opened[rest])),
        "early": lambda rest: rest in case.snapshot.early,
        "by-status": lambda rest: all(
            i in view.records and view.status(i) == rest for i in view.by_status[rest]
        ),
    }
    for key, ends in case.snapshot.keys.items():
        if key in FLEET:
            continue
        kind, _, rest = key.removeprefix(PARTITION).partition(":")
        if not key.startswith(PARTITION):
            fine = False
        elif kind in RUN_OUT:
            fine = ends != NO_END
        else:
            fine = (not rest and kind in ONE_EACH) or (
                kind in owned and owned[kind](rest)
            )
        if not fine:
            yield Violation("keys", "a key without an owner or an end", key)


def is_kept(case: Case, execution: str) -> bool:
    """Tell whether a record is listed, and will be forgotten if its time comes."""
    if execution not in case.view.records:
        return False
    status = case.view.status(execution)
    ends = status in CLOSED and status != "failed"
    listed = execution in case.view.by_status.get(status, ())
    return listed and ends == (execution in case.snapshot.expiring)
