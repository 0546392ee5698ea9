"""The books: what came in went out, or is still there.

The counters are changed only by what they count, so they agree with each other whatever
the server forgot. With what was sent they agree only where it forgot nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.campaign.checker.case import Case
from tests.chaos.campaign.checker.verdict import Violation
from tests.functional.broker.machine.view import CLOSED, OPEN

SETTLED = ("events_succeeded", "events_failed", "events_ignored")


@dataclass(frozen=True)
class Span:
    """How many there may be: as many as surely happened, up to all that may have."""

    least: int
    most: int

    def __contains__(self, number: int) -> bool:
        return self.least <= number <= self.most

    def __str__(self) -> str:
        if self.least == self.most:
            return str(self.least)
        return f"{self.least} to {self.most}"


def internal(case: Case) -> Iterator[Violation]:
    """The counters agree with each other, and with the records."""
    view, stats = case.view, case.view.stats

    def same(name: str, found: int, wanted: int, how: str) -> Iterator[Violation]:
        if found != wanted:
            yield Violation("conservation", f"{name} {found}, {how} {wanted}", name)

    still_open = len(view.with_status(*OPEN))
    ended = sum(stats[f"executions_{status}"] for status in CLOSED)
    yield from same(
        "executions_started",
        stats["executions_started"],
        ended + still_open,
        "ended and open are",
    )
    inboxes = sum(len(view.signals_in(execution)) for execution in view.inboxes)
    gone = stats["signals_consumed"] + stats["signals_unconsumed"]
    yield from same(
        "signals_delivered",
        stats["signals_delivered"],
        gone + inboxes,
        "consumed, dropped and in inboxes are",
    )
    for status in ("failed", "cancelled"):
        name = f"executions_{status}"
        count = len(view.with_status(status))
        yield from same(name, stats[name], count, "with that status are")
    kinds = Counter(letter.get("error_type", b"").decode() for letter in view.letters)
    full, invalid = kinds["InboxFull"], kinds["InvalidEvent"]
    yield from same(
        "letters",
        len(view.letters),
        stats["executions_failed"] + full + invalid,
        "failed executions, refused signals and events are",
    )
    consumed = sum(
        1
        for journal in view.journals.values()
        for entry in journal
        if entry["kind"] == "wait" and entry.get("result")
    )
    yield from same(
        "signals_consumed", stats["signals_consumed"], consumed, "journals have"
    )
    tries = sum(
        entry["kind"] in {"try", "undotry"}
        for journal in view.journals.values()
        for entry in journal
    )
    if stats["retries"] < tries:
        text = f"retries {stats['retries']}, journals have {tries}"
        yield Violation("conservation", text, "retries")


def external(case: Case) -> Iterator[Violation]:
    """The counters agree with what was sent."""
    if case.harm.forgetful:
        return
    stats, emitted = case.view.stats, _journaled(case, "emit")
    sent = _sent(case, signals=True)
    settled = sum(stats[name] for name in SETTLED)
    whole = Span(sent.least + emitted, sent.most + emitted)
    if settled not in whole:
        text = f"{settled} events were settled, {whole} were sent"
        yield Violation("conservation", text, "events")
    children = _journaled(case, "start")
    starting = _sent(case, signals=False)
    due = Span(starting.least + emitted + children, starting.most + emitted + children)
    started = stats["executions_started"]
    if started not in due:
        text = f"{started} executions were started, {due} events were to start one"
        yield Violation("conservation", text, "executions")
    fates = ("delivered", "ignored", "expired", "dead")
    waiting = sum(case.view.early.values())
    came = sum(stats[f"signals_{fate}"] for fate in fates) + waiting
    signals = Span(sent.least - starting.least, sent.most - starting.most)
    if came not in signals:
        text = f"{came} signals are accounted for, {signals} were sent"
        yield Violation("conservation", text, "signals")


def _sent(case: Case, *, signals: bool) -> Span:
    """How many different events were published."""
    least = most = 0
    for known in case.events.values():
        if known.sent.seq >= 0 and not signals:
            continue
        least += known.outcome == "ok"
        most += known.outcome != "fail"
    return Span(least, most)


def _journaled(case: Case, kind: str) -> int:
    return sum(
        entry["kind"] == kind
        for journal in case.view.journals.values()
        for entry in journal
    )
