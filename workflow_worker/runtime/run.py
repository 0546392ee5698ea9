"""One run of one execution: its actions, and what its commit is to carry out.

Owns what a run leaves behind besides its journal: state, events, children, data and
compensations. Must never do any of it: that is the commit's.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, NoReturn

from workflow_worker import codec
from workflow_worker.app.current import Callee
from workflow_worker.app.future import Future
from workflow_worker.errors import (
    ActionFailed,
    Cancelled,
    Closing,
    Continued,
    InvalidPayload,
    NonDeterminismError,
    Suspended,
)
from workflow_worker.model import Child, Emission, Item, Wait
from workflow_worker.runtime import baggage
from workflow_worker.runtime.acting import Done, Later, perform
from workflow_worker.runtime.baggage import Undo
from workflow_worker.runtime.futures import Recorded, Submitted
from workflow_worker.runtime.journal import ACTION, EMIT, RecordedError
from workflow_worker.runtime.steps import VOID, Steps


class FailedStep(NamedTuple):
    """A step whose error the function met.

    Attributes:
        error: as it was raised.
        ordinal: of the step.
        seen: ordinal of the last step asked for when the function first met it.
        record: of an action.
    """

    error: Exception
    ordinal: int
    seen: int
    record: RecordedError | None


class Run(Steps):
    """What one run has done so far and may still do.

    Attributes:
        state: the business state, None if the function never set it. It starts empty
            in every run: one left by an earlier run would not be there on replay.
        emits: events to publish with the commit.
        children: executions to start with the commit.
        notes: of both, ordinal, kind and name for the journal.
        data: of ``ctx.data``; None if it was never touched.
        undos: registered compensations, in order.
        inbox: what was sent to the execution and is not consumed.
        wait: what the run was suspended for.
        later: the earliest next try of an action that the run has to wait for.
        payload: what it continues with, encoded.
    """

    # What is rarely used costs the many runs nothing that don't use it.
    state: str | None = None
    emits: tuple[Emission, ...] = ()
    children: tuple[Child, ...] = ()
    notes: tuple[tuple[int, str, str], ...] = ()
    data: dict[str, Any] | None = None
    undos: tuple[Undo, ...] = ()
    inbox: tuple[Item, ...] = ()
    wait: Wait | None = None
    later: Later | None = None
    payload = b""
    _flight: tuple[Submitted[Any], ...] = ()
    _failed: tuple[FailedStep, ...] = ()

    def bring(self) -> None:
        """Begin with what was sent, and with what a continued execution left.

        Raises:
            InvalidPayload: that is damaged.
        """
        task = self.task
        self.inbox = task.inbox
        if task.record is not None and task.record.base:
            brought = baggage.unpack(task.record.base)
            self.data, self.undos = brought.data, brought.undo

    def call(
        self, action: Callee, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Any:
        """Return an action's result, from the journal or by running it now.

        Raises:
            ActionFailed: it failed, now or in the run that recorded it.
            InvalidPayload: its result is not what it is annotated with.
        """
        entry = self.step(ACTION, action.name)
        if entry is not None:
            return self._outcome(action, (entry, None))
        return self._read(action, self._act(action, args, kwargs))

    def submit(
        self, action: Callee, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Future[Any]:
        """Return the future of an action, which runs on another thread if it has to."""
        entry = self.step(ACTION, action.name, in_line=False)
        if entry is not None:
            recorded = functools.partial(self._outcome, action)
            return Recorded(self, recorded, (entry, None))
        read = functools.partial(self._read, action)
        future = Submitted(self, read, action, args, kwargs, self.history.ordinal)
        tried = self.history.tried(self.history.ordinal, ACTION)
        if tried is None or self.is_due(tried):
            self.effects.beside(future.work)
        self._flight += (future,)
        return future

    def emit(self, name: str, payload: object, key: str | None, delay_ms: int) -> None:
        """Publish an event with the commit of this run."""
        if not codec.require_text(name, "the name of an emitted event"):
            raise InvalidPayload("an emitted event needs a name")
        what = f"payload of emitted event {name}"
        data = codec.encode_object(payload, what, max_bytes=self.limit)
        key = codec.require_text(key or "", f"key of emitted event {name}")
        if self.step(EMIT, name) is not None:
            return
        # A delayed event gets no id from the stream, so it brings one.
        ordinal, event_id = self.history.ordinal, ""
        if delay_ms:
            event_id = f"{self.task.execution_id}:{self.mark(ordinal)}"
        emission = Emission(name, data, key, delay_ms, event_id)
        self.emits += (emission,)
        self.notes += ((ordinal, EMIT, name),)

    def set_state(self, state: str) -> None:
        """Set the business state that operators see."""
        self.require_open()
        self.state = codec.require_text(state, "state")

    def suspend(self, wait: Wait) -> NoReturn:
        """End the run until what it waits for is there."""
        self.wait = wait
        self.stop = Suspended()
        raise self.stop

    def try_later(self, later: Later) -> NoReturn:
        """End the run until an action is to be tried again."""
        self.note_later(later)
        self.stop = Suspended()
        raise self.stop

    def note_later(self, later: Later) -> None:
        """Remember that an action is to be tried again; the earliest counts."""
        if self.later is None or later.due_ms < self.later.due_ms:
            self.later = later

    def continue_as_new(self, payload: object) -> NoReturn:
        """End the run; the execution begins again with this payload."""
        what = f"payload to continue {self.task.workflow} with"
        data = codec.encode_object(payload, what, max_bytes=self.limit)
        self.require_open()
        self._come_to("continue_as_new")
        self.payload = data
        self.stop = Continued()
        raise self.stop

    def finish(self) -> None:
        """Require that the function, which returned, really came to its end.

        Raises:
            ControlFlow: what had stopped it, and the function swallowed; or a cancel.
            NonDeterminismError: it returned before something it once did.
        """
        if self._flight:
            self.join()
        if self.stop is not None:
            raise self.stop
        if self.later is not None:
            self.try_later(self.later)
        if self.history.durable or self.history.cancel:
            self._come_to("the end of the workflow")

    def join(self) -> None:
        """Wait for every action that was submitted; on a void run only what began."""
        for future in self._flight:
            if isinstance(self.stop, VOID):
                future.drop()
                continue
            later = future.settle()
            if later is not None:
                self.note_later(later)
        self._flight = ()

    def note_failure(
        self, error: Exception, ordinal: int, record: RecordedError | None = None
    ) -> None:
        """Remember which step an error, now raised in the function, comes from."""
        seen = self.history.ordinal
        for known in self._failed:
            # What is asked for twice was known from the first time on.
            if known.ordinal == ordinal:
                seen = known.seen
        self._failed += (FailedStep(error, ordinal, seen, record),)

    def failed_step(self, error: BaseException) -> FailedStep | None:
        """Return the step an error comes from; None if it is the function's own."""
        return next((step for step in self._failed if step.error is error), None)

    def _come_to(self, end: str) -> None:
        try:
            self.history.finish(end)
        except NonDeterminismError as stop:
            self.stop = stop
            raise
        if self.history.cancel:
            self.stop = Cancelled()
            raise self.stop
        if self.history.end is not None:
            self.stop = Closing()
            raise self.stop

    def _act(
        self, action: Callee, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Done | Later:
        """Run an action in this thread and keep what came of it."""
        try:
            self.history.store(self.effects)
            if self.limited:
                self.require_leave()
            done = perform(self, action, args, kwargs, self.history.ordinal)
        except VOID as stop:
            self.halt(stop)
            raise
        if not isinstance(done, Later):
            self.history.add(done[0], self.effects)
        return done

    def _read(self, action: Callee, done: Done | Later) -> Any:
        """Return what came of an action in this run, or raise it."""
        if isinstance(done, Later):
            self.try_later(done)
        if self.deadline_ms is not None:
            self.refuse_late(done[0])
        return self._outcome(action, done)

    def _outcome(self, action: Callee, done: Done) -> Any:
        entry, cause = done
        if entry.error is None:
            return codec.decode(entry.result, action.returns, action.what)
        record = entry.error
        error = ActionFailed(
            entry.name,
            record.type,
            record.message,
            record.category,
            entry.attempt,
            record.bases,
        )
        self.note_failure(error, entry.ordinal, record)
        raise error from cause
