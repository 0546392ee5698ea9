"""What was acknowledged came to its end, and nothing came that was not sent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from tests.chaos.campaign.checker.case import Case, is_audit
from tests.chaos.campaign.checker.verdict import Violation
from tests.chaos.campaign.records import EffectLine
from tests.chaos.campaign.stories import Story

OPEN = ("running", "waiting", "retrying")


def lost(case: Case) -> Iterator[Violation]:
    """Nothing that was acknowledged is lost: each step of it was done."""
    for story in case.stories:
        if not case.is_due(story):
            continue
        fate = story.fate
        wanted = (*fate.steps, *fate.undone, *fate.children)
        missing = [says for says in wanted if says not in case.told]
        # What a run emits that fails is void.
        emits = fate.emits if fate.status == "completed" else ()
        missing += [f"audit {says}" for says in emits if says not in case.audits]
        if missing:
            about = story.execution or str(story.payload["says"])
            text = f"{story.kind} was acknowledged, but never done: {missing}"
            yield Violation("lost", text, about, _times(case, story))


def stuck(case: Case) -> Iterator[Violation]:
    """What has all that it needs ends."""
    for execution in sorted(case.view.records):
        status = case.view.status(execution)
        story = case.story_of(execution)
        if status in OPEN and story is not None and case.is_due(story):
            text = f"{story.kind} is still {status}, and has all that it needs"
            yield Violation("stuck", text, execution, _times(case, story))


def outcome(case: Case) -> Iterator[Violation]:
    """Each execution ended as it must, with the result it must have."""
    for story in case.stories:
        if story.execution and case.is_due(story):
            wrong = _ended_wrongly(case, story)
            if wrong:
                text = f"{story.kind} {wrong}"
                yield Violation("outcome", text, story.execution, _times(case, story))


def _ended_wrongly(case: Case, story: Story) -> str:
    """Say what is wrong with how an execution ended; nothing if it has not."""
    record = case.view.records.get(story.execution)
    if record is None:
        # Without journal and result nothing is kept.
        return "" if story.workflow == "bare" else "left no record"
    status, fate = case.view.status(story.execution), story.fate
    if status in OPEN:
        return ""
    error = record.get("error_type", b"").decode()
    if status != fate.status or (status == "failed" and error != fate.error):
        said = record.get("message", b"").decode("utf-8", "replace")
        return f"{status} {error} {said!r}, it must be {fate.status} {fate.error}"
    result = json.loads(record.get("result", b"null"))
    if status == "completed" and result not in fate.results:
        return f"returned {result}, it must be one of {fate.results}"
    return ""


def invented(case: Case) -> Iterator[Violation]:
    """Nothing appears that was not sent, or that surely was not published."""
    lines = [act.begin for act in case.history.acts] + list(case.history.runs)
    first: dict[tuple[str, str], EffectLine] = {}
    for line in lines:
        known = first.setdefault((line.execution, line.says), line)
        if line.t < known.t:
            first[line.execution, line.says] = line
    for (execution, says), line in first.items():
        story = case.teller.get(says)
        if story is None:
            text = f"{says!r} was done, but is in no story"
            yield Violation("invented", text, execution, (line.t,))
            continue
        event = case.event_of(story)
        if event is None or event.outcome == "fail":
            text = f"{says!r} was done, but its event was surely not published"
            yield Violation("invented", text, execution, (line.t,))
        elif line.t < event.ops[0].begun:
            text = f"{says!r} was done before its event was published"
            yield Violation("invented", text, execution, (line.t, event.ops[0].begun))
        elif not _belongs(execution, says, story):
            text = f"{says!r} is a step of {story.execution}"
            yield Violation("invented", text, execution, (line.t,))
    yield from _records(case)


def _belongs(execution: str, says: str, story: Story) -> bool:
    if says in story.fate.children:
        return execution.startswith(f"{story.execution}/")
    if execution == story.execution or not story.execution:
        return True
    return says in story.fate.emits and is_audit(execution)


def _records(case: Case) -> Iterator[Violation]:
    for execution in sorted(case.view.records):
        story = case.story_of(execution)
        if story is None:
            if not execution.endswith((".audit", ".bare")):
                yield Violation("invented", "there is a record", execution)
            continue
        event = case.event_of(story)
        if event is None or event.outcome == "fail":
            text = "there is a record, but its event was surely not published"
            yield Violation("invented", text, execution)


def once(case: Case) -> Iterator[Violation]:
    """What Redis does itself happens once: starts, children, emitted events."""
    for name, told in (("executions", case.told), ("audits", case.audits)):
        for says, lines in told.items():
            first: dict[str, EffectLine] = {}
            for line in sorted(lines, key=lambda each: each.t):
                first.setdefault(line.execution, line)
            if len(first) == 1:
                continue
            # What the server forgot it does again.
            *earlier, last = first.values()
            if any(case.harm.forgotten(each.t, last.t) for each in earlier):
                continue
            text = f"{says!r} has {len(first)} {name}: {list(first)}"
            moments = tuple(line.t for line in first.values())
            yield Violation("once", text, next(iter(first)), moments)


def journal(case: Case) -> Iterator[Violation]:
    """A step stands once in its journal, a failed try once for each."""
    for execution, entries in case.view.journals.items():
        counts = Counter(
            (entry["kind"], entry["ordinal"], entry.get("attempt", 1), entry["name"])
            for entry in entries
        )
        several = [step for step, count in counts.items() if count > 1]
        if several:
            acts = case.acts_of.get(execution, [])
            text = f"its journal has more than once: {several}"
            moments = tuple(act.begin.t for act in acts)
            yield Violation("journal", text, execution, moments)


def _times(case: Case, story: Story) -> tuple[float, ...]:
    event = case.event_of(story)
    began = [op.begun for op in event.ops] if event else []
    acts = case.acts_of.get(story.execution, []) if story.execution else []
    return (*began, *(act.begin.t for act in acts[-1:]))
