"""Effects outside Redis: at least once, and more than once only for a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.campaign.checker.case import Case
from tests.chaos.campaign.checker.verdict import Violation
from tests.chaos.campaign.harm import SLACK
from tests.chaos.campaign.records import REDRIVE, Act, EffectLine


def twice(case: Case) -> Iterator[Violation]:
    """A try begins a second time only after a kill, a lost lease, or lost writes."""
    for (execution, says), acts in case.acts.items():
        tries: dict[int, list[Act]] = defaultdict(list)
        for act in acts:
            tries[act.begin.attempt].append(act)
        for attempt, same in tries.items():
            for first, second in pairwise(same):
                if case.harm.may_repeat(first, second) or _redriven(
                    case, first, second
                ):
                    continue
                text = f"{says!r}, try {attempt}, began twice: {_who(first, second)}"
                moments = (first.begin.t, second.begin.t)
                yield Violation("twice", text, execution, moments)
    yield from _plain(case)


def _plain(case: Case) -> Iterator[Violation]:
    """The same for workflows' own code, where it runs once."""
    runs: dict[tuple[str, str], list[EffectLine]] = defaultdict(list)
    for line in case.history.runs:
        runs[line.execution, line.says].append(line)
    for (execution, says), lines in runs.items():
        for one, other in pairwise(lines):
            first, second = Act(one, one.t), Act(other, other.t)
            if case.harm.may_repeat(first, second):
                continue
            text = f"{says!r} ran twice: {_who(first, second)}"
            yield Violation("twice", text, execution, (one.t, other.t))


def _redriven(case: Case, first: Act, second: Act) -> bool:
    """Tell whether an operator had it done again: then its tries begin anew."""
    asked = case.asked.get((REDRIVE, first.begin.execution), [])
    return first.failed and any(op.begun <= second.begin.t for op in asked)


def _who(first: Act, second: Act) -> str:
    one, other = first.begin, second.begin
    how = "failed" if first.failed else "ended" if first.ended else "never ended"
    return (
        f"at {one.t:.3f} in {one.pid} ({how}), at {other.t:.3f} in {other.pid}, "
        "and no fault explains it"
    )


def keys(case: Case) -> Iterator[Violation]:
    """A step has one idempotency key, over tries and crashes; no two share one."""
    owner: dict[str, list[Act]] = {}
    for step, acts in case.acts.items():
        found = {act.begin.key for act in acts}
        moments = tuple(act.begin.t for act in acts)
        if len(found) != 1 or "" in found:
            text = f"{step[1]!r} had the idempotency keys {sorted(found)}"
            yield Violation("key", text, step[0], moments)
        for key in found:
            others = owner.setdefault(key, acts)
            if others is not acts and not _forgotten(case, others, acts):
                text = f"{step[1]!r} and {others[0].begin.says!r} have the key {key}"
                yield Violation("key", text, step[0], moments)


def _forgotten(case: Case, acts: list[Act], others: list[Act]) -> bool:
    """Tell whether the server lost what led to one, and the other has its place."""
    one, other = sorted((acts[0], others[0]), key=lambda act: act.begin.t)
    same = one.begin.execution == other.begin.execution
    return same and case.harm.forgotten(one.begin.t, other.begin.t)


def seen(case: Case) -> Iterator[Violation]:
    """What a later action had seen was durable: it is not done again."""
    for execution, acts in case.acts_of.items():
        if len(acts) < 3:
            continue
        for again in acts:
            if not again.begin.beside:
                yield from _seen_before(case, execution, acts, again)


def _seen_before(
    case: Case, execution: str, acts: list[Act], again: Act
) -> Iterator[Violation]:
    ends = [
        act.ended
        for act in acts
        if act.step == again.step
        and act is not again
        and act.ended is not None
        and not act.failed
        and act.ended < again.begin.t
    ]
    if not ends:
        return
    later = [
        act.begin
        for act in acts
        if act.step != again.step
        and not act.begin.beside
        and min(ends) < act.begin.t < again.begin.t
    ]
    if not later:
        return
    at = again.begin
    # Stopped on the doorstep, it went in when others had been and gone.
    if case.harm.silenced(at, max(min(ends), at.t - SLACK), at.t):
        return
    if case.harm.forgotten(min(ends), at.t) or case.harm.forgotten(later[0].t, at.t):
        return
    text = (
        f"{at.says!r} had ended when {later[0].says!r} began, "
        f"and was done again at {at.t:.3f}: it was not durable"
    )
    yield Violation("seen", text, execution, (min(ends), later[0].t, at.t))


def undone(case: Case) -> Iterator[Violation]:
    """Compensations run in the reverse order of what they undo, and only of that."""
    for story in case.stories:
        if not story.execution:
            continue
        first: dict[str, float] = {}
        for act in case.acts_of.get(story.execution, []):
            first.setdefault(act.begin.says, act.begin.t)
        found = [says for says in first if says in story.fate.undone]
        wanted = [says for says in story.fate.undone if says in first]
        if found != wanted:
            text = f"{story.kind} was undone in this order: {found}"
            yield Violation("undone", text, story.execution, tuple(first.values()))
