"""One execution under test."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from workflow_worker.client import Client, Execution
from workflow_worker.errors import ExecutionFailed, WorkflowWorkerError


class Runs(Protocol):
    """The worker that runs it."""

    client: Client

    def run(self) -> None:
        """Run everything that is due now."""

    def skip(self) -> timedelta:
        """Let time pass to the next timer; returns how much passed."""


class Stuck(WorkflowWorkerError):  # noqa: N818 - a state, named for the test's reader
    """The execution waits for something that nobody sends."""


class Started:
    """One execution under test; every property is read anew.

    Attributes:
        id: the execution's.
    """

    def __init__(self, worker: Runs, execution_id: str) -> None:
        self._worker = worker
        self.id = execution_id

    def __repr__(self) -> str:
        return f"<Started {self.id}>"

    def look(self) -> Execution:
        """Return everything that is known of it, its history too.

        Raises:
            ExecutionNotFound: it has not begun, or its time is over.
        """
        return self._worker.client.execution(self.id)

    @property
    def status(self) -> str:
        """``waiting``, ``retrying``, ``completed``, ``failed`` or ``cancelled``."""
        return self.look().status

    @property
    def state(self) -> str:
        """The business state, as of ``ctx.set_state``."""
        return self.look().state

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Names of the signals it waits for."""
        return tuple(self.look().waiting_for)

    def result(self) -> Any:
        """Skip time until it has ended, and return its result.

        Raises:
            ExecutionFailed: it failed or was cancelled.
            Stuck: it waits for a signal, and no timer would end that.
        """
        while True:
            seen = self.look()
            if seen.status == "completed":
                return seen.result
            if seen.status in {"failed", "cancelled"}:
                error: Mapping[str, Any] = seen.error or {}
                raise ExecutionFailed(
                    self.id,
                    seen.status,
                    error.get("type", ""),
                    error.get("message", ""),
                )
            if not self._worker.skip():
                raise Stuck(
                    f"{self.id} waits for {' or '.join(seen.waiting_for) or 'ever'}"
                )

    def signal(self, name: str, payload: object = None) -> None:
        """Send it a signal, whatever its key, and run what becomes of that."""
        self._worker.client.signal(self.id, name, payload)
        self._worker.run()

    def cancel(self) -> None:
        """Cancel it, and run its compensations."""
        self._worker.client.cancel(self.id)
        self._worker.run()

    def retry(self) -> None:
        """Make it go on from its journal after it failed or was cancelled."""
        self._worker.client.retry(self.id)
        self._worker.run()
