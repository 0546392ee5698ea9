"""One run of one execution: what its function asks for, in program order.

Owns the rule "seen is durable": no action starts before every result the function has
seen is stored. Must never let user code swallow the end of a run: what stopped it is
raised again at every further step.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from workflow_worker import codec
from workflow_worker.app import Action
from workflow_worker.errors import (
    ActionFailed,
    ControlFlow,
    InvalidPayload,
    NonDeterminismError,
    OutsideWorkflowError,
)
from workflow_worker.model import Effects, Emission, Event, Task
from workflow_worker.runtime import failure
from workflow_worker.runtime.journal import ACTION, EMIT, Entry, RecordedError
from workflow_worker.runtime.replay import History

R = TypeVar("R")


class Run:
    """What one run has done so far and may still do.

    Attributes:
        task: what is run.
        event: what started it.
        history: what is recorded, and where in it the function is.
        state: the business state, None if the function never set it. It starts empty
            in every run: one left by an earlier run would not be there on replay.
        emits: events to publish with the commit.
        stop: what ended the run from our side, if anything did.
    """

    __slots__ = (
        "_acting",
        "_effects",
        "_failed",
        "_limit",
        "emits",
        "event",
        "history",
        "state",
        "stop",
        "task",
    )

    def __init__(self, task: Task, event: Event, effects: Effects, limit: int) -> None:
        self.task = task
        self.event = event
        self.history = History(task.journal)
        self.state: str | None = None
        self.emits: list[Emission] = []
        self.stop: ControlFlow | NonDeterminismError | None = None
        self._effects = effects
        self._limit = limit
        self._acting = False
        self._failed: list[tuple[ActionFailed, RecordedError]] = []

    @property
    def attempt(self) -> int:
        """Which try of the workflow this is, from 1."""
        return self.task.record.attempt if self.task.record else 1

    def call(
        self,
        action: Action[..., R],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> R:
        """Return an action's result, from the journal or by running it now.

        Raises:
            ActionFailed: it failed, now or in the run that recorded it.
            InvalidPayload: its result is not what it is annotated with.
        """
        if self._acting:
            return action.fn(*args, **kwargs)
        entry, cause = self._step(ACTION, action.name), None
        if entry is None:
            entry, cause = self._act(action, args, kwargs)
        if entry.error is not None:
            raise self._failure(entry, entry.error) from cause
        result: R = codec.decode(entry.result, action.returns, action.what)
        return result

    def emit(self, name: str, payload: object, key: str | None) -> None:
        """Publish an event with the commit that completes this execution."""
        self._require_workflow("emit")
        if not codec.require_text(name, "the name of an emitted event"):
            raise InvalidPayload("an emitted event needs a name")
        what = f"payload of emitted event {name}"
        emission = Emission(
            name,
            codec.encode_object(payload, what, max_bytes=self._limit),
            codec.require_text(key or "", f"key of emitted event {name}"),
        )
        if self._step(EMIT, name) is None:
            self.emits.append(emission)

    def set_state(self, state: str) -> None:
        """Set the business state that operators see."""
        self._require_workflow("set_state")
        self.state = codec.require_text(state, "state")

    def recorded(self, error: BaseException) -> RecordedError | None:
        """Return the record of the action's failure, if the error is one."""
        for raised, record in self._failed:
            if raised is error:
                return record
        return None

    def _require_workflow(self, what: str) -> None:
        # An action does not run again on replay, so neither would this.
        if self._acting:
            raise OutsideWorkflowError(f"ctx.{what} can't be used inside an action")

    def _step(self, kind: str, name: str) -> Entry | None:
        if self.stop is not None:
            raise self.stop
        try:
            return self.history.step(kind, name)
        except NonDeterminismError as stop:
            self.stop = stop
            raise

    def _act(
        self,
        action: Action[..., R],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> tuple[Entry, BaseException | None]:
        """Run an action and keep what came of it; with the exception it raised."""
        try:
            self.history.store(self._effects)
            entry, cause = self._timed(action, args, kwargs)
        except ControlFlow as stop:
            self.stop = stop
            raise
        self.history.add(entry)
        return entry, cause

    def _timed(
        self,
        action: Action[..., R],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> tuple[Entry, BaseException | None]:
        effects = self._effects
        started_ms, start = effects.now_ms(), effects.monotonic()
        result, error, cause = b"null", None, None
        effects.acting(action.name)
        try:
            self._acting = True
            value = action.fn(*args, **kwargs)
            result = codec.encode(value, action.what, max_bytes=self._limit)
        except ControlFlow:
            raise
        except BaseException as raised:  # noqa: BLE001 - a record of whatever it was
            error, cause = failure.record(raised), raised
        finally:
            self._acting = False
            effects.acting("")
        entry = Entry(
            ordinal=self.history.ordinal,
            kind=ACTION,
            name=action.name,
            result=msgspec.Raw(result),
            error=error,
            started_ms=started_ms,
            duration_ms=round((effects.monotonic() - start) * 1000, 3),
        )
        return entry, cause

    def _failure(self, entry: Entry, record: RecordedError) -> ActionFailed:
        error = ActionFailed(
            entry.name,
            record.type,
            record.message,
            record.category,
            entry.attempt,
            record.bases,
        )
        self._failed.append((error, record))
        return error
