"""Actions beside the workflow: begun by whoever comes first, each exactly once.

Owns the hand-over between threads. Must never leave an action running when its run has
come to an end: ends wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from workflow_worker.app.current import Callee
from workflow_worker.runtime.acting import Done, Later, perform
from workflow_worker.runtime.steps import Steps

R = TypeVar("R")


class Recorded(Generic[R]):
    """The future of an action that an earlier run did.

    Args:
        steps: the run.
        read: makes a result, or an error, of what came of the action.
        done: what came of it.
    """

    __slots__ = ("_done", "_read", "_steps")

    def __init__(self, steps: Steps, read: Callable[[Done], R], done: Done) -> None:
        self._steps = steps
        self._read = read
        self._done = done

    def result(self) -> R:
        """See :class:`workflow_worker.app.Future`."""
        self._steps.require_workflow("the result of a future")
        self._steps.require_open()
        return self._read(self._done)


class Submitted(Generic[R]):
    """The future of an action that is to run now, on whichever thread is free first.

    Waiting for one that no thread has begun begins it: an execution never depends on
    threads that others hold.

    Args:
        steps: the run.
        read: makes a result, or an error, of what came of the action; or suspends the
            run until it is to be tried again.
        action: what to run.
        args: by position.
        kwargs: by name.
        ordinal: its place in program order.
    """

    __slots__ = (
        "_action",
        "_args",
        "_begun",
        "_done",
        "_ended",
        "_kwargs",
        "_ordinal",
        "_read",
        "_steps",
    )

    def __init__(
        self,
        steps: Steps,
        read: Callable[[Done | Later], R],
        action: Callee,
        args: tuple[object, ...],
        kwargs: dict[str, object],
        ordinal: int,
    ) -> None:
        self._steps = steps
        self._read = read
        self._action = action
        self._args = args
        self._kwargs = kwargs
        self._ordinal = ordinal
        self._done: Done | Later | None = None
        self._begun = threading.Lock()
        """Held for good by whoever runs the action, or keeps it from running."""
        self._ended = threading.Lock()
        """Held until it ended; guards nothing, is waited for."""
        self._ended.acquire()

    def result(self) -> R:
        """See :class:`workflow_worker.app.Future`."""
        steps = self._steps
        steps.require_workflow("the result of a future")
        steps.require_open()
        self.settle()
        if self._done is None:
            steps.require_open()
            raise AssertionError("an action that did not end left no reason")
        return self._read(self._done)

    def work(self) -> None:
        """Run the action on this thread, which is not the workflow's."""
        if self._begun.acquire(blocking=False):
            self._run(beside=True)

    def settle(self) -> Later | None:
        """Return when the action ran; run it here if nobody has begun.

        Returns:
            When it is to be tried again; None if it came to its end.
        """
        if self._begun.acquire(blocking=False):
            self._run(beside=False)
        with self._ended:
            return self._done if isinstance(self._done, Later) else None

    def drop(self) -> None:
        """Return when the action ran, or surely never will."""
        if not self._begun.acquire(blocking=False):
            with self._ended:
                return

    def _run(self, *, beside: bool) -> None:
        steps = self._steps
        try:
            done = perform(
                steps,
                self._action,
                self._args,
                self._kwargs,
                self._ordinal,
                beside=beside,
            )
            if not isinstance(done, Later):
                steps.history.add(done[0], steps.effects)
            self._done = done
        except BaseException as stop:  # noqa: BLE001 - raised again in the run's thread
            steps.halt(stop)
        finally:
            self._ended.release()
