"""A run without a worker: the runtime's port on plain memory, and tasks to run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NoReturn

from workflow_worker import ActionFailed, App, Context
from workflow_worker.errors import LeaseLost
from workflow_worker.model import Decision, Event, Item, Outcome, Record, Task
from workflow_worker.ports import Unsaved
from workflow_worker.runtime import journal
from workflow_worker.runtime.execute import Runner
from workflow_worker.runtime.journal import Entry

EVENT = Event("order.placed", {"order_id": "o-1", "cents": 5}, "o-1", "e-1")
LIMIT = 1000


class Memory:
    """Effects that keep the journal here, and note what happened in which order.

    Attributes:
        journal: the entries that are durable.
        consumed: names of the inbox items that durable entries consumed.
        seen: ``append 2`` for each append of so many, ``start charge`` for actions.
        lose_lease: nothing can be stored any more.
        cancel: whoever appends learns that the execution is to end.
        patient: a sleep may be spent in the thread.
        skipped_ms: the clock is so much ahead.
        threads: those that ran beside the workflow.
        tries: of actions that ended: action, category of the error, whether the last.
        chance: what every random number is; None for something in the middle.
        unsaved_entries: whoever told that it has something to store.
    """

    scope = "wf:epoch"

    def __init__(self, journal: tuple[bytes, ...] = ()) -> None:
        self.journal = journal
        self.consumed: tuple[str, ...] = ()
        self.seen: list[str] = []
        self.lose_lease = False
        self.cancel = False
        self.patient = False
        self.skipped_ms = 0
        self.chance: float | None = None
        self.threads: list[threading.Thread] = []
        self.tries: list[tuple[str, str, bool]] = []
        self.unsaved_entries: list[Unsaved] = []
        self._now = 1_700_000_000_000

    def now_ms(self) -> int:
        self._now += 1
        return self._now + self.skipped_ms

    def monotonic(self) -> float:
        return self.now_ms() / 1000

    def random(self) -> float:
        if self.chance is not None:
            return self.chance
        return 0.5 + (self.now_ms() % 1000) / 10_000

    def uuid(self) -> str:
        return f"{self.now_ms():032x}"

    def append(
        self,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...] = (),
    ) -> bool:
        if self.lose_lease:
            raise LeaseLost
        assert journaled == len(self.journal)
        assert len(consumed) in (0, len(entries))
        self.journal += entries
        self.consumed += tuple(filter(None, consumed))
        self.seen.append(f"append {len(entries)}")
        return self.cancel

    def unsaved(self, entries: Unsaved) -> None:
        self.unsaved_entries.append(entries)

    def bounded(self, seconds: float) -> None:
        self.seen.append(f"bounded {seconds:g}")

    def enter(
        self, action: str, ordinal: int, seconds: float | None, *, beside: bool
    ) -> Watched:
        self.ensure(beside=beside)
        self.seen.append("start beside" if beside else f"start {action}")
        return Watched(seconds, self.seen)

    def ensure(self, *, beside: bool) -> None:
        if beside and self.lose_lease:
            raise LeaseLost

    def tried(
        self, action: str, seconds: float | None, error: str, *, last: bool
    ) -> None:
        self.tries.append((action, error, last))

    def lock(self, name: str, ttl: object, wait: object) -> NoReturn:
        raise AssertionError(f"lock {name}: what needs no Redis takes none")

    def lost(self) -> bool:
        return self.lose_lease

    def beside(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self.threads.append(thread)
        thread.start()

    def pause(self, seconds: float) -> bool:
        if self.patient:
            self.seen.append(f"pause {seconds}")
        return self.patient


class Watched:
    """A watch that a test lets run out by raising ``TimeUp`` itself."""

    def __init__(self, seconds: float | None, seen: list[str]) -> None:
        self.seconds = seconds
        self.hit = False
        self._seen = seen

    def start(self) -> None:
        if self.seconds is not None:
            self._seen.append(f"limit {self.seconds:g}")

    def extend(self) -> None:
        self._seen.append("heartbeat")

    def end(self) -> None: ...


def task(
    workflow: str = "flow",
    event: Event | None = EVENT,
    journal: tuple[bytes, ...] = (),
    defect: str = "",
    *,
    inbox: tuple[Item, ...] = (),
    whole: bool = True,
    **record: Any,
) -> Task:
    """Return a task; one with fields of a record where any are given."""
    return Task(
        entry="1-0",
        count=1,
        deliveries=1,
        execution_id=f"0-e-1.{workflow}",
        workflow=workflow,
        event=event,
        defect=defect,
        record=Record(1, "running", **record) if record else None,
        journal=journal,
        inbox=inbox,
        whole=whole,
    )


def run(
    app: App,
    *,
    effects: Memory | None = None,
    journal: tuple[bytes, ...] = (),
    **of: Any,
) -> Decision:
    """Run the workflow ``flow`` of an App; ``of`` is what :func:`task` takes."""
    runner = Runner(app, max_payload_bytes=LIMIT)
    return runner.run(task(journal=journal, **of), effects or Memory(journal))


def rerun(app: App, first: Decision, effects: Memory, **of: Any) -> Decision:
    """Run it again on what a first run, over these effects, made durable or left."""
    return run(app, journal=effects.journal + first.entries, **of)


def crashed(app: App, effects: Memory, **of: Any) -> Decision:
    """Run it again after a crash: only what was durable by then is left."""
    return run(app, journal=effects.journal, effects=Memory(effects.journal), **of)


def entries_of(effects: Memory, decision: Decision) -> list[Entry]:
    """Return the whole journal after the decision's commit."""
    return [journal.decode(data) for data in effects.journal + decision.entries]


def signal(sequence: int, name: str, **fields: str) -> Item:
    """Return an inbox item as the scripts make it of an event."""
    flat = {"name": name, "payload": "{}", **fields}
    return Item(sequence, name, tuple(t.encode() for kv in flat.items() for t in kv))


def completed(decision: Decision) -> bytes | None:
    """Return the result of a run that must have completed."""
    assert decision.outcome is Outcome.COMPLETED, decision.failure
    return decision.result


class Shop:
    """An App with two actions that note when they really ran."""

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

    def flow(self, fn: Callable[..., object], **declared: Any) -> App:
        """Return an App whose workflow is this function now, as after a deploy."""
        app = App("deploy")
        app.include(self.app)
        app.workflow(on="a", name="flow", **declared)(fn)
        return app


def once(shop: Shop, value: object = 7, **how: Any) -> Any:
    """Run a workflow that calls the action once; a failure of it is the result."""

    def flow(ctx: Context) -> Any:
        try:
            return shop.act(value)
        except ActionFailed as failed:
            return f"{failed.error_type} {failed.message} {failed.attempts}"

    return run(shop.flow(flow), **how)
