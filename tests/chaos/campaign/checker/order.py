"""The order of one key's signals, and the tokens of locks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.campaign.checker.case import Case
from tests.chaos.campaign.checker.verdict import Violation
from tests.chaos.campaign.records import Act

LOCK_TTL = 1.0
"""Seconds for which the App takes its locks."""


def order(case: Case) -> Iterator[Violation]:
    """Signals of one key are consumed as they were sent, and none is left out."""
    for story in case.stories:
        if not story.signals or story.execution not in case.view.records:
            continue
        found = consumed(case, story.execution)
        sent = story.signals_sent()
        text = f"{story.kind} consumed its signals in this order: {found}"
        times = tuple(
            op.begun
            for signal in sent
            if signal.id in case.events
            for op in case.events[signal.id].ops
        )
        if any(later <= earlier for earlier, later in pairwise(found)):
            yield Violation("order", text, story.execution, times)
            continue
        left_out = [
            signal.seq
            for signal in sent
            if found
            and signal.seq < found[-1]
            and signal.seq not in found
            and case.is_kept(case.events.get(signal.id))
        ]
        if left_out:
            text += f", without {left_out}"
            yield Violation("order", text, story.execution, times)


def consumed(case: Case, execution: str) -> list[int]:
    """Numbers of the signals that an execution consumed, by its journal."""
    entries = sorted(
        (e for e in case.view.journals.get(execution, []) if e["kind"] == "wait"),
        key=lambda entry: int(entry["ordinal"]),
    )
    results = (entry.get("result") for entry in entries)
    return [int(result["payload"]["seq"]) for result in results if result]


def tokens(case: Case) -> Iterator[Violation]:
    """Whoever held a lock later had the greater token; nobody had it twice."""
    for lock, acts in grants(case).items():
        ended: list[Act] = []
        for act in acts:
            token = act.begin.token or 0
            before = [
                other
                for other in ended
                if other.ended is not None and other.ended < act.begin.t
            ]
            greater = [one for one in before if (one.begin.token or 0) >= token]
            if greater:
                other = greater[-1]
                text = (
                    f"token {token} was given at {act.begin.t:.3f}, after "
                    f"{other.begin.token}, which had come back"
                )
                yield Violation("token", text, lock, (other.begin.t, act.begin.t))
            same = [one for one in ended if one.begin.token == token]
            if same and not greater:
                text = f"token {token} was given twice"
                yield Violation("token", text, lock, (same[-1].begin.t, act.begin.t))
            # Only the greatest that has come back matters, and what still runs.
            ended = [one for one in ended if one not in before or _is_top(one, before)]
            ended.append(act)


def _is_top(act: Act, before: list[Act]) -> bool:
    return act is max(before, key=lambda one: one.begin.token or 0)


def exclusion(case: Case) -> Iterator[Violation]:
    """Two hold a lock at a time only if one of them could not keep it."""
    for lock, acts in grants(case).items():
        for one, other in pairwise(acts):
            if one.ended is None or other.begin.t >= one.ended:
                continue
            since = one.begin.t - LOCK_TTL
            excused = (
                case.harm.silenced(one.begin, since, other.begin.t, LOCK_TTL)
                or case.harm.silenced(other.begin, since, other.begin.t, LOCK_TTL)
                or case.harm.forgotten(one.begin.t, other.begin.t)
            )
            if not excused:
                text = (
                    f"{one.begin.pid} held it until {one.ended:.3f}, and "
                    f"{other.begin.pid} from {other.begin.t:.3f} on"
                )
                yield Violation("exclusion", text, lock, (one.begin.t, other.begin.t))


def grants(case: Case) -> dict[str, list[Act]]:
    """Who held each lock, in the order in which they had it."""
    found: dict[str, list[Act]] = defaultdict(list)
    for act in case.history.acts:
        if act.begin.token is not None:
            found[act.begin.lock].append(act)
    return found
