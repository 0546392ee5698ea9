"""An action that fails as often as a test says, and when its next try is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.memory import Memory
from workflow_worker import App, Context, current_action
from workflow_worker.model import Decision

LATER_MS = 60_000


class Flaky:
    """An App whose action ``call`` fails as often as it is told to."""

    def __init__(self, *errors: BaseException | None, **declared: Any) -> None:
        self.app = App("flaky")
        self.errors = list(errors)
        self.attempts: list[int] = []

        @self.app.action(**declared)
        def call(value: int) -> int:
            self.attempts.append(current_action().attempt)
            error = self.errors.pop(0) if self.errors else None
            if error is not None:
                raise error
            return value

        self.call = call

    def flow(self, fn: Callable[..., object] | None = None, **declared: Any) -> App:
        app = App("deploy")
        app.include(self.app)
        app.workflow(on="a", name="flow", **declared)(fn or (self._flow()))
        return app

    def _flow(self) -> Callable[..., object]:
        def flow(ctx: Context) -> int:
            return self.call(7)

        return flow


def later(effects: Memory, decision: Decision) -> Memory:
    """Return what the next run sees, once whatever the decision waits for is due."""
    again = Memory(effects.journal + decision.entries)
    again.skipped_ms = effects.skipped_ms + LATER_MS
    return again
