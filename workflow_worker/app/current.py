"""Which workflow, or which action of one, this thread is inside of.

Owns the answer for every thread of the process. Must never know what a run does with
what it is asked.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from workflow_worker.app.future import Future
from workflow_worker.app.retry import RetryPolicy
from workflow_worker.errors import LeaseLost, OutsideWorkflowError
from workflow_worker.ports import Effects, HeldLock, Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

R = TypeVar("R")


class Callee(Protocol):
    """An action, as a run has to know it."""

    name: str
    what: str
    timeout_ms: int | None
    retry: RetryPolicy | None

    @property
    def fn(self) -> Callable[..., Any]:
        """The plain function."""

    @property
    def returns(self) -> Any:
        """What results are decoded to."""


class Run(Protocol):
    """A run of a workflow, as the actions called in its thread see it."""

    def call(
        self, action: Callee, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Any:
        """Return the action's result, recorded or by running it now."""

    def submit(
        self, action: Callee, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Future[Any]:
        """Return a future of the action's result, which may run beside the workflow."""


class Place(Protocol):
    """A run, as far as the actions it calls may know of it."""

    @property
    def effects(self) -> Effects:
        """How it reaches the world."""

    def key_of(self, ordinal: int, kind: str) -> str:
        """Return the idempotency key of a step."""


class CurrentAction:
    """The action that a thread is inside of, for what it has to say to others.

    Attributes:
        attempt: which try of the action this is, from 1.
        within: the run, if this is the thread of its workflow; else None.
    """

    __slots__ = ("_kind", "_ordinal", "_run", "_watch", "attempt", "within")

    def __init__(
        self,
        run: Place,
        ordinal: int,
        kind: str,
        attempt: int,
        watch: Watch,
        *,
        beside: bool,
    ) -> None:
        self._run = run
        self._ordinal = ordinal
        self._kind = kind
        self._watch = watch
        self.within = None if beside else run
        self.attempt = attempt

    @property
    def idempotency_key(self) -> str:
        """Names this call to other systems; the same over retries and crashes."""
        return self._run.key_of(self._ordinal, self._kind)

    def lost(self) -> bool:
        """Tell whether another worker runs this execution by now, as far as is known.

        What the action still does is then done twice: best it stops.
        """
        return self._run.effects.lost()

    def heartbeat(self) -> None:
        """Say that the action is alive and gets on: its time begins anew.

        Its ``timeout=`` and ``EVENT_TIMEOUT_MS`` count from here on; so an action that
        says so often enough may run for hours.

        Raises:
            LeaseLost: another worker runs this execution by now, as in :meth:`lost`; a
                BaseException, so that it ends the action.
        """
        if self._run.effects.lost():
            raise LeaseLost("another worker runs this execution now")
        self._watch.extend()

    def lock(
        self,
        name: str,
        ttl: float | timedelta = 30,
        wait: float | timedelta = 10,
    ) -> AbstractContextManager[HeldLock]:
        """Return a distributed lock, to be held in a ``with`` block.

        See :meth:`workflow_worker.Client.lock`.

        Args:
            name: of the lock; whoever names it the same excludes each other.
            ttl: seconds or timedelta after which it is free if its holder is silent;
                it is renewed in the background while it is held.
            wait: seconds or timedelta to wait for it at most.
        """
        return self._run.effects.lock(name, ttl, wait)


class _Thread(threading.local):
    here: Run | CurrentAction | None = None


_thread = _Thread()
_under_way: set[Run] = set()
"""Runs of all threads; adding and discarding are atomic, so no lock guards them."""


def here() -> Run | CurrentAction | None:
    """Return what this thread is inside of: a workflow, or an action of one."""
    return _thread.here


def enter(run: Run) -> Run | CurrentAction | None:
    """Send the actions called in this thread to a run; return what it was inside of."""
    outer = _thread.here
    _thread.here = run
    _under_way.add(run)
    return outer


def leave(run: Run, outer: Run | CurrentAction | None) -> None:
    """Undo :func:`enter`, with what it returned."""
    _under_way.discard(run)
    _thread.here = outer


def begin(action: CurrentAction) -> Run | CurrentAction | None:
    """Note that this thread is inside an action; return what it was inside of."""
    outer = _thread.here
    _thread.here = action
    return outer


def end(outer: Run | CurrentAction | None) -> None:
    """Undo :func:`begin`, with what it returned."""
    _thread.here = outer


def under_way() -> bool:
    """Tell whether any thread of this process runs a workflow."""
    return bool(_under_way)


def current_action() -> CurrentAction:
    """Return the action of a workflow that this thread is inside of.

    Raises:
        OutsideWorkflowError: it is inside none; an action that was called outside of
            a workflow is its plain function.
    """
    found = _thread.here
    if not isinstance(found, CurrentAction):
        raise OutsideWorkflowError(
            "current_action() was used outside an action of a running workflow"
        )
    return found
