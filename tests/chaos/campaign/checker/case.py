"""All that rules look at, laid out so that each finds its part quickly.

Owns the answers that several rules want: what was sent, what came of it outside, what
the plan says of it. Must never judge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from tests.chaos.campaign.books import Snapshot
from tests.chaos.campaign.harm import KNOWN, Harm
from tests.chaos.campaign.history import History
from tests.chaos.campaign.records import (
    CANCEL,
    REDRIVE,
    Act,
    EffectLine,
    Op,
    Sent,
    Step,
)
from tests.chaos.campaign.stories import Story


class Plan(Protocol):
    """What a case wants of the plan."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Settings of the instances."""

    def stories(self) -> Iterable[Story]:
        """All that may be published."""


@dataclass(frozen=True)
class Known:
    """One event, whatever operations carried it.

    Attributes:
        sent: the event.
        ops: operations that it was in.
    """

    sent: Sent
    ops: tuple[Op, ...]

    @property
    def outcome(self) -> str:
        """Ok, fail or unknown; of several operations, what is known of any."""
        outcomes = {op.outcome for op in self.ops}
        if "ok" in outcomes:
            return "ok"
        return "fail" if outcomes == {"fail"} else "unknown"


def is_audit(execution: str) -> bool:
    """Tell whether an emitted event started it."""
    return execution.endswith(".audit")


class Case:
    """One episode that is over.

    Args:
        history: what was done and what happened outside.
        snapshot: what Redis holds.
        plan: what was to be.

    Raises:
        ValueError: nobody knows what one of the faults excuses.
    """

    def __init__(self, history: History, snapshot: Snapshot, plan: Plan) -> None:
        unknown = {fault.name for fault in history.faults} - KNOWN
        if unknown:
            message = f"harm.py does not say what these faults excuse: {unknown}"
            raise ValueError(message)
        self.history = history
        self.snapshot = snapshot
        # One without a status is no record; what is left of it is a key of nobody.
        records = {i: r for i, r in snapshot.view.records.items() if "status" in r}
        self.view = replace(snapshot.view, records=records)
        self.harm = Harm(history.faults, int(plan.environment["LEASE_MS"]) / 1000)
        self.stories = tuple(plan.stories())

    # --- what was sent

    @cached_property
    def events(self) -> dict[str, Known]:
        """By publish id; an event without one by what it says."""
        sent: dict[str, Sent] = {}
        ops: dict[str, list[Op]] = defaultdict(list)
        for op in self.history.ops:
            for event in op.events:
                name = event.id or event.says
                sent[name] = event
                ops[name].append(op)
        return {name: Known(event, tuple(ops[name])) for name, event in sent.items()}

    def event_of(self, story: Story) -> Known | None:
        """What began a story, if anybody tried to publish it."""
        return self.events.get(story.id or str(story.payload["says"]))

    def is_kept(self, known: Known | None) -> bool:
        """Tell whether an event must be there: the server confirmed and kept it."""
        return known is not None and any(map(self.stands, known.ops))

    def stands(self, op: Op) -> bool:
        """Tell whether an operation surely happened, and was not forgotten."""
        return op.confirmed is not None and not self.harm.forgotten(op.confirmed)

    @cached_property
    def asked(self) -> dict[tuple[str, str], list[Op]]:
        """What operators did, by kind and execution."""
        found: dict[tuple[str, str], list[Op]] = defaultdict(list)
        for op in self.history.ops:
            if op.what in {CANCEL, REDRIVE}:
                found[op.what, op.id].append(op)
        return found

    def is_due(self, story: Story) -> bool:
        """Tell whether all was done that a story needs to come to its end."""
        if not self.is_kept(self.event_of(story)):
            return False
        signals = (self.events.get(each.id) for each in story.signals_sent())
        if not all(map(self.is_kept, signals)):
            return False
        for what, wanted in ((CANCEL, story.cancel), (REDRIVE, story.redrive)):
            done = self.asked.get((what, story.execution), [])
            if wanted and not any(map(self.stands, done)):
                return False
        return True

    # --- what the plan says

    @cached_property
    def teller(self) -> dict[str, Story]:
        """Whose step is told this; also its children's, and what it emits."""
        found = {}
        for story in self.stories:
            fate = story.fate
            for says in (
                *fate.steps,
                *fate.may,
                *fate.undone,
                *fate.emits,
                *fate.children,
            ):
                found[says] = story
        return found

    @cached_property
    def by_execution(self) -> dict[str, Story]:
        """The stories whose executions have known ids."""
        return {story.execution: story for story in self.stories if story.execution}

    def story_of(self, execution: str) -> Story | None:
        """The story that an execution is of; also of a child's."""
        return self.by_execution.get(execution.partition("/")[0])

    # --- what happened outside

    @cached_property
    def acts(self) -> dict[Step, list[Act]]:
        """Tries of each step, in the order in which they began."""
        found: dict[Step, list[Act]] = defaultdict(list)
        for act in self.history.acts:
            found[act.step].append(act)
        return found

    @cached_property
    def acts_of(self) -> dict[str, list[Act]]:
        """All tries of each execution, in the order in which they began."""
        found: dict[str, list[Act]] = defaultdict(list)
        for act in self.history.acts:
            found[act.begin.execution].append(act)
        return found

    @cached_property
    def told(self) -> dict[str, list[EffectLine]]:
        """What ended outside, by what it was told: actions and plain code."""
        found: dict[str, list[EffectLine]] = defaultdict(list)
        for act in self.history.acts:
            if act.ended is not None:
                found[act.begin.says].append(act.begin)
        for run in self.history.runs:
            if not is_audit(run.execution):
                found[run.says].append(run)
        return found

    @cached_property
    def audits(self) -> dict[str, list[EffectLine]]:
        """What was started by emitted events, by what they were told."""
        found: dict[str, list[EffectLine]] = defaultdict(list)
        for run in self.history.runs:
            if is_audit(run.execution):
                found[run.says].append(run)
        return found
