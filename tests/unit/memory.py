"""A run without a worker: the runtime's port on plain memory, and tasks to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workflow_worker import App
from workflow_worker.errors import LeaseLost
from workflow_worker.model import Decision, Event, Task
from workflow_worker.runtime.execute import Runner

EVENT = Event("order.placed", {"order_id": "o-1", "cents": 5}, "o-1", "e-1")
LIMIT = 1000


class Memory:
    """Effects that keep the journal here, and note what happened in which order.

    Attributes:
        journal: the entries that are durable.
        seen: ``append 2`` for each append of so many, ``start charge`` for actions.
    """

    def __init__(self, journal: tuple[bytes, ...] = ()) -> None:
        self.journal = journal
        self.seen: list[str] = []
        self.lose_lease = False
        self._now = 1_700_000_000_000

    def now_ms(self) -> int:
        self._now += 1
        return self._now

    def monotonic(self) -> float:
        return self.now_ms() / 1000

    def append(self, entries: tuple[bytes, ...], journaled: int) -> None:
        if self.lose_lease:
            raise LeaseLost
        assert journaled == len(self.journal)
        self.journal += entries
        self.seen.append(f"append {len(entries)}")

    def acting(self, action: str) -> None:
        if action:
            self.seen.append(f"start {action}")


def task(
    workflow: str = "flow",
    event: Event | None = EVENT,
    journal: tuple[bytes, ...] = (),
    defect: str = "",
) -> Task:
    return Task(
        entry="1-0",
        count=1,
        deliveries=1,
        execution_id=f"0-e-1.{workflow}",
        workflow=workflow,
        event=event,
        defect=defect,
        journal=journal,
    )


def run(
    app: App,
    *,
    event: Event | None = EVENT,
    journal: tuple[bytes, ...] = (),
    effects: Memory | None = None,
) -> Decision:
    """Run the workflow ``flow`` of an App."""
    runner = Runner(app, max_payload_bytes=LIMIT)
    return runner.run(task(event=event, journal=journal), effects or Memory(journal))


def rerun(app: App, first: Decision, effects: Memory) -> Decision:
    """Run it again on what a first run, over these effects, made durable or left."""
    return run(app, journal=effects.journal + first.entries)


class Shop:
    """An App with one action that counts how often it really ran."""

    def __init__(self) -> None:
        self.app = App("shop")
        self.ran: list[object] = []

        @self.app.action
        def act(value: object) -> Any:
            self.ran.append(value)
            if isinstance(value, BaseException):
                raise value
            return value

        @self.app.action
        def other(value: object) -> Any:
            self.ran.append(value)
            return value

        self.act, self.other = act, other

    def flow(self, fn: Callable[..., object]) -> App:
        """Return an App whose workflow is this function now, as after a deploy."""
        app = App("deploy")
        app.include(self.app)
        app.workflow(on="a", name="flow")(fn)
        return app
