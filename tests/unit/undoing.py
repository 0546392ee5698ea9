"""Executions with compensations, run again when what they wait for is due."""

from __future__ import annotations

from typing import Any

from tests.unit.memory import Memory, Shop, entries_of, run
from workflow_worker import (
    App,
)
from workflow_worker.model import Decision
from workflow_worker.runtime.journal import Entry

LATER_MS = 60_000


def rerun_later(app: App, effects: Memory, decision: Decision, **of: Any) -> Decision:
    """Run it again when what it waits for is due; ``effects`` go on with it."""
    effects.journal += decision.entries
    effects.skipped_ms += LATER_MS
    return run(app, journal=effects.journal, effects=effects, **{"attempt": 1, **of})


def undone(effects: Memory, decision: Decision) -> list[Entry]:
    found = entries_of(effects, decision)
    return [entry for entry in found if entry.kind == "undo"]


class Undoing(Shop):
    """A shop whose compensation ``undo`` fails as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: list[BaseException] = []

        @self.app.action
        def undo(value: object) -> object:
            self.ran.append(f"undo {value}")
            if self.failing:
                raise self.failing.pop(0)
            return value

        self.undo = undo
