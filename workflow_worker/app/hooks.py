"""Hooks: what users have run around a worker's life, its actions and its dead letters.

Owns what each kind of hook is given, their order, and that one which fails harms only
itself. Must never decide when one runs: that is the worker's and the runtime's.
"""

from __future__ import annotations

import enum
import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from workflow_worker.model import Decision, Event, Outcome, Task

log = logging.getLogger(__name__)

_declared = itertools.count()


class HookKind(enum.StrEnum):
    """What a hook is for; the name of its decorator."""

    START = "on_worker_start"
    STOP = "on_worker_stop"
    AROUND = "around_action"
    DEAD_LETTER = "on_dead_letter"


@dataclass(frozen=True, slots=True)
class ActionCall:
    """One try of an action, as ``around_action`` hooks are told of it.

    ``current_action()`` works in such a hook and knows the rest, the idempotency key
    for instance.

    Attributes:
        action: name of the action.
        workflow: name of the workflow that called it.
        execution_id: of its execution.
        attempt: which try of the action this is, from 1.
        undo: it runs as a compensation.
        args: what it is called with by position; not part of the repr, for it may be
            anybody's data.
        kwargs: by name; likewise.
    """

    action: str
    workflow: str
    execution_id: str
    attempt: int
    undo: bool = False
    args: tuple[object, ...] = field(default=(), repr=False)
    kwargs: dict[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class DeadLetterNotice:
    """An execution that failed for good, as ``on_dead_letter`` hooks are told of it.

    Attributes:
        execution_id: which.
        workflow: its name.
        event: what started it; None if the entry can't be decoded.
        error_type: qualified name of the exception's class.
        message: its text, which may hold anybody's data, and is not part of the repr.
        category: what the error asked for.
        attempts: how often it was tried.
        action: name of the action whose error it was; empty for the workflow's own.
    """

    execution_id: str
    workflow: str
    event: Event | None = field(repr=False)
    error_type: str
    message: str = field(repr=False)
    category: str
    attempts: int
    action: str = ""

    @classmethod
    def of(cls, task: Task, decision: Decision) -> DeadLetterNotice | None:
        """Return what there is to say of a run; None if it did not fail for good."""
        failure = decision.failure
        if decision.outcome is not Outcome.FAILED or failure is None:
            return None
        return cls(
            task.execution_id,
            task.workflow,
            task.event,
            failure.error_type,
            failure.message,
            failure.category,
            failure.attempts,
            failure.action,
        )


@dataclass(frozen=True, slots=True)
class Hook:
    """A function that an App declares as a hook.

    The same function of the same kind is the same hook, however many Apps declare it.

    Attributes:
        kind: when it runs.
        fn: the function.
        place: kind, function, file and line, for errors and the log.
        rank: of two hooks, the one declared later has the higher.
    """

    kind: HookKind
    fn: Callable[..., Any]
    place: str = field(compare=False)
    rank: int = field(compare=False, default_factory=_declared.__next__)

    @property
    def ident(self) -> tuple[str, str]:
        """What no other hook has."""
        return self.kind, str(id(self.fn))


class Hooks:
    """The hooks of an App and of those it includes, each kind in the order they run.

    Attributes:
        start: in the order they were declared.
        stop: the other way round.
        around: the outermost first, in the order they were declared.
        dead_letter: in the order they were declared.
    """

    __slots__ = ("around", "dead_letter", "start", "stop")

    def __init__(self, declared: Iterable[Hook]) -> None:
        ranked = sorted(declared, key=lambda hook: hook.rank)

        def of(kind: HookKind) -> tuple[Hook, ...]:
            return tuple(hook for hook in ranked if hook.kind is kind)

        self.start = of(HookKind.START)
        self.stop = of(HookKind.STOP)[::-1]
        self.around = of(HookKind.AROUND)
        self.dead_letter = of(HookKind.DEAD_LETTER)

    def run_start(self) -> None:
        """Run what goes before the first event; what one raises keeps it away."""
        for hook in self.start:
            hook.fn()

    def run_stop(self) -> None:
        """Run what goes after the last event, all of it, whatever fails."""
        for hook in self.stop:
            _run(hook)

    def run_dead_letter(self, notice: DeadLetterNotice) -> None:
        """Tell of a dead letter, whatever fails."""
        for hook in self.dead_letter:
            _run(hook, notice)


def _run(hook: Hook, *given: object) -> None:
    try:
        hook.fn(*given)
    except BaseException:  # a SystemExit too must not end a thread that others need
        log.exception("%s failed", hook.place)
