"""A small episode that kept every promise, made up; tests break one thing in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos.campaign.books import Snapshot
from tests.chaos.campaign.checker import Violation, check
from tests.chaos.campaign.history import History
from tests.chaos.campaign.records import Act, EffectLine, Fault, Op, Sent
from tests.chaos.campaign.stories import Fate, Story
from tests.functional.broker.machine.view import View

ORDER = Story(
    number=0,
    kind="order",
    event="order.placed",
    workflow="order",
    id="o",
    key="k-o",
    payload={"says": "o"},
    signals=2,
    fate=Fate(
        results=([0, 1],),
        steps=("o/reserve", "o/0", "o/1"),
        emits=("o/0", "o/1"),
    ),
)
BARE = Story(
    number=1,
    kind="bare",
    event="bare",
    workflow="bare",
    id="b",
    key="",
    payload={"says": "b"},
    fate=Fate(steps=("b",)),
)
EXECUTION = ORDER.execution
BARELY = BARE.execution


@dataclass
class Plan:
    """Two stories, and leases of a second and a half."""

    told: tuple[Story, ...] = (ORDER, BARE)
    environment: Mapping[str, str] = field(default_factory=lambda: {"LEASE_MS": "1500"})

    def stories(self) -> Iterable[Story]:
        return self.told


def line(says: str, t: float, *, execution: str = EXECUTION, **more: Any) -> EffectLine:
    fields = {"phase": "begin", "pid": 11, "instance": "a", "action": "touch", **more}
    key = fields.pop("key", f"wf:e:{execution}:{says}")
    return EffectLine(execution=execution, says=says, t=t, key=key, **fields)


def act(says: str, t: float, ended: float | None = -1, **more: Any) -> Act:
    """A try that took a tenth of a second, unless it says otherwise."""
    failed = more.pop("failed", False)
    return Act(line(says, t, **more), t + 0.1 if ended == -1 else ended, failed)


def run(says: str, t: float, execution: str, **more: Any) -> EffectLine:
    return line(says, t, execution=execution, **{"phase": "run", "action": "", **more})


def publish(number: int, t: float, *events: Sent, outcome: str = "ok") -> Op:
    confirmed = t + 0.05 if outcome == "ok" else None
    return Op(
        f"ops:{number}",
        "publish",
        outcome,
        t,
        t + 0.05,
        confirmed,
        events,  # type: ignore[arg-type]
    )


def fault(name: str, struck: float, healed: float, **more: Any) -> Fault:
    return Fault(name, 1, struck, healed, **more)


def wait_entry(ordinal: int, seq: int) -> dict[str, Any]:
    result = {"name": "order.said", "payload": {"seq": seq}}
    return {"ordinal": ordinal, "kind": "wait", "name": "order.said", "result": result}


@dataclass
class World:
    """What happened; fields are changed by tests before they check."""

    ops: list[Op] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    runs: list[EffectLine] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    view: View = field(default_factory=View)
    snapshot: Snapshot = field(default_factory=Snapshot)
    plan: Plan = field(default_factory=Plan)

    def violations(self) -> list[Violation]:
        def by_time(lines: list[Any]) -> tuple[Any, ...]:
            return tuple(sorted(lines, key=lambda each: getattr(each, "begin", each).t))

        history = History(
            tuple(sorted(self.ops, key=lambda op: op.begun)),
            by_time(self.acts),
            by_time(self.runs),
            tuple(self.faults),
        )
        return check(history, replace(self.snapshot, view=self.view), self.plan)

    def broken(self) -> set[str]:
        """Names of the rules that do not hold."""
        return {violation.rule for violation in self.violations()}

    def again(self, says: str, t: float, **more: Any) -> None:
        """Have a step begin once more."""
        self.acts.append(act(says, t, **{"pid": 12, **more}))


def good() -> World:
    """One order, its two signals and audits, and one bare event."""
    world = World()
    world.ops = [
        publish(1, 1.0, ORDER.sent(), BARE.sent()),
        publish(2, 3.0, ORDER.signal(0)),
        publish(3, 5.0, ORDER.signal(1)),
    ]
    world.acts = [act("o/reserve", 2.0), act("o/0", 4.0), act("o/1", 6.0)]
    world.runs = [
        run("b", 2.0, BARELY),
        run("o/0", 4.5, "0-1-0.audit"),
        run("o/1", 6.5, "0-2-0.audit"),
    ]
    view = world.view = View(stats=defaultdict(int))
    record = {"status": "completed", "workflow": "order", "result": "[0, 1]"}
    view.records = {EXECUTION: {n: v.encode() for n, v in record.items()}}
    view.records[EXECUTION] |= {"step": b"3", "origin": b"o", "key": b"k-o"}
    view.journals = {
        EXECUTION: [
            {"ordinal": 1, "kind": "action", "name": "touch", "result": "o/reserve"},
            wait_entry(2, 0),
            {"ordinal": 3, "kind": "action", "name": "touch", "result": "o/0"},
            {"ordinal": 4, "kind": "emit", "name": "audit"},
            wait_entry(5, 1),
            {"ordinal": 6, "kind": "action", "name": "touch", "result": "o/1"},
            {"ordinal": 7, "kind": "emit", "name": "audit"},
        ]
    }
    view.by_status = {"completed": {EXECUTION}}
    view.stats.update(
        events_succeeded=6,
        executions_started=4,
        executions_completed=4,
        signals_delivered=2,
        signals_consumed=2,
    )
    keys = ("events", "stats", f"x:{EXECUTION}", f"j:{EXECUTION}", "expiry", "routes")
    world.snapshot = Snapshot(
        keys={f"{{wf:0}}:{key}": -1 for key in (*keys, "by-status:completed")}
        | {"{wf}:meta": -1, "{wf:0}:once:o": 1000},
        expiring=frozenset({EXECUTION}),
        consumers={"a.0.1": 0},
        living=frozenset({"a.0.1"}),
    )
    return world


def leave_open(world: World) -> None:
    """Let the order wait for ever."""
    record = world.view.records[EXECUTION]
    record |= {"status": b"waiting", "names": b"\0order.said\0"}
    del record["result"]
    world.view.by_status = {"waiting": {EXECUTION}}
    world.view.stats["executions_completed"] -= 1
    keys = world.snapshot.keys
    del keys["{wf:0}:by-status:completed"]
    keys["{wf:0}:by-status:waiting"] = -1
    world.snapshot = replace(world.snapshot, expiring=frozenset())
