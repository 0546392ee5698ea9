"""A toy workflow whose every step is read from its event, and the runs of it.

What a run does follows from the task alone, as it must; only what an action answers is
new each time, so that a result that was seen and then lost can't go unnoticed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.functional.broker.machine.broken import same
from workflow_worker.broker.journal import Appended
from workflow_worker.model import (
    Child,
    Decision,
    Emission,
    Failure,
    Outcome,
    Route,
    Task,
    Wait,
)

Step = list[Any]
Entry = dict[str, Any]
Append = Callable[[tuple[bytes, ...], int, tuple[str, ...]], Appended]

MINUTE = 60_000
"""Every delay is long: what the clock of the machine does meanwhile is no matter."""

ROUTES = (
    Route("case", names=("go", "both"), signals=("s1", "s2", "kick")),
    Route("child", signals=("s1",)),
    Route("plain", names=("ping", "both", "kick")),
)
STARTS = {"go": 1, "ping": 1, "both": 2, "kick": 1}
"""How many executions an event starts."""
UNITS = {"s1": 2, "s2": 1, "kick": 1}
"""For how many workflows an event is a signal."""
KINDS = {
    "act": "action",
    "flaky": "action",
    "wait": "wait",
    "sleep": "sleep",
    "emit": "emit",
    "child": "start",
    "result": "result",
}
"""Which journal entry a step leaves; steps not named here are not numbered."""


class Ended(Exception):  # noqa: N818 - how a run leaves its steps
    """The run has come to a decision."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.outcome)
        self.decision = decision


class Lost(Exception):  # noqa: N818 - as LeaseLost
    """An append said that somebody else owns the execution."""


class Outside:
    """The world outside of Redis, where actions happen.

    Attributes:
        acts: each action that began: execution, run, and the results it had seen.
        tried: what fails the first time and works then.
    """

    def __init__(self) -> None:
        self.acts: list[tuple[str, int, tuple[Entry, ...]]] = []
        self.tried: Counter[str] = Counter()

    def answer(self, run: Run) -> int:
        """Begin an action and answer what nobody was answered before."""
        self.acts.append((run.id, run.number, tuple(run.seen)))
        return len(self.acts)

    def works(self, what: str) -> bool:
        self.tried[what] += 1
        return self.tried[what] > 1


class Run:
    """One run of a toy workflow: what its journal says, then on from there.

    :meth:`go_on` runs up to the next action, once everything seen is durable, or to the
    decision.
    """

    def __init__(self, task: Task, outside: Outside) -> None:
        assert task.event is not None, task.defect
        self.task, self.outside = task, outside
        self.id, self.plan = task.execution_id, task.event.payload
        self.record = task.record
        self.number = self.record.run if self.record else 0
        self.history: list[Entry] = [json.loads(entry) for entry in task.journal]
        self.recorded = {entry["ordinal"]: entry for entry in self.history}
        self.journaled = len(self.history)
        self.inbox = list(task.inbox)
        self.cancel = self.record is not None and self.record.cancel
        self.seen: list[Entry] = []
        self.pending: list[tuple[Entry, str]] = []
        self.buffered: list[Entry] = []
        self.emits: list[Emission] = []
        self.children: list[Child] = []
        self.ordinal, self.mark, self.undo = 0, "", False
        self.decision: Decision | None = None
        self._steps = self._program()

    def go_on(self, append: Append) -> None:
        """Run until an action wants to start, or to the end.

        Raises:
            Lost: somebody else has it; this run is void.
        """
        try:
            next(self._steps)
            if self.pending:
                self._store(append)
        except Ended as end:
            self.decision = end.decision

    def _store(self, append: Append) -> None:
        entries, consumed = self._encoded(), self._consumed()
        answer = append(entries, self.journaled, consumed)
        if answer is Appended.LOST:
            raise Lost
        self.cancel = self.cancel or answer is Appended.CANCEL
        self.journaled += len(entries)
        self.history += [entry for entry, _ in self.pending]
        self.pending.clear()

    def _encoded(self, *, buffered: bool = False) -> tuple[bytes, ...]:
        entries = [entry for entry, _ in self.pending]
        if buffered:
            entries += self.buffered
        return tuple(
            json.dumps(entry, separators=(",", ":")).encode() for entry in entries
        )

    def _consumed(self, *, buffered: bool = False) -> tuple[str, ...]:
        names = [name for _, name in self.pending]
        return tuple(names + [""] * len(self.buffered) * buffered)

    def _program(self) -> Iterator[None]:
        for name, *arguments in self.plan["steps"]:
            yield from getattr(self, f"_{name}")(*arguments)
        yield from self._honour_cancel()
        end = self.plan["end"]
        if end == "fail" and not self.outside.works(self.id):
            yield from self._fail(0)
        if end == "again":
            self._continue()
        result = b'"fine"' if end == "result" else None
        self._end(
            Outcome.COMPLETED,
            buffered=bool(self.history or self.pending),
            result=result,
        )

    # Steps.

    def _act(self, *, flaky: bool = False) -> Iterator[None]:
        entry = self._replayed("action")
        if entry is None:
            yield from self._honour_cancel()
            yield
            yield from self._honour_cancel()
            answer = self.outside.answer(self)
            fails = flaky and not self.outside.works(f"{self.id} {self.ordinal}")
            entry = self._keep("action", [answer, fails])
        if entry["result"][1]:
            yield from self._fail(self.ordinal)

    def _flaky(self) -> Iterator[None]:
        return self._act(flaky=True)

    def _wait(self, names: list[str], delay_ms: int | None) -> Iterator[None]:
        return self._await("wait", tuple(names), delay_ms)

    def _sleep(self, delay_ms: int) -> Iterator[None]:
        return self._await("sleep", (), delay_ms)

    def _result(self) -> Iterator[None]:
        if self.mark:
            mark, self.mark = self.mark, ""
            yield from self._await("result", (f"/{mark}",), None)

    def _await(
        self, kind: str, names: tuple[str, ...], delay_ms: int | None
    ) -> Iterator[None]:
        if self._replayed(kind):
            return
        yield from self._honour_cancel()
        item = next((item for item in self.inbox if item.name in names), None)
        if item:
            self.inbox.remove(item)
            self._keep(kind, signal_of(item.name, item.fields), item.name)
        elif self.record and self.record.fired == self.ordinal:
            self._keep(kind, None)
        else:
            self._end(
                Outcome.SUSPENDED,
                buffered=True,
                wait=Wait(self.ordinal, names, delay_ms),
                signals=self.task.workflow != "plain",
            )

    def _emit(self, name: str, delay_ms: int) -> Iterator[None]:
        if self._replayed("emit"):
            return
        yield from self._honour_cancel()
        origin = f"{self.id}/{self._place()}"
        payload = json.dumps({"n": None, "steps": [], "end": "result", "from": origin})
        key = self.task.event.key if self.task.event and name in UNITS else ""
        self.emits.append(
            Emission(name, payload.encode(), key, delay_ms, origin if delay_ms else "")
        )
        self.buffered.append({"ordinal": self.ordinal, "kind": "emit", "name": name})

    def _child(self, plan: Entry) -> Iterator[None]:
        entry = self._replayed("start")
        self.mark = self._place()
        if entry:
            return
        yield from self._honour_cancel()
        payload = json.dumps(plan).encode()
        self.children.append(
            Child(f"{self.id}/{self.mark}", "child", payload, "", self.mark)
        )
        self.buffered.append(
            {
                "ordinal": self.ordinal,
                "kind": "start",
                "name": "child",
                "mark": self.mark,
            }
        )

    def _undo(self) -> Iterator[None]:
        self.undo = True
        yield from ()

    def _place(self) -> str:
        return f"{self.number}.{self.ordinal}" if self.number else str(self.ordinal)

    # The journal.

    def _replayed(self, kind: str) -> Entry | None:
        self.ordinal += 1
        entry = self.recorded.get(self.ordinal)
        if entry is not None:
            same(entry["kind"], kind, "determinism", f"{self.id}, {self.ordinal}")
            if "result" in entry:
                self.seen.append(entry)
        return entry

    def _keep(self, kind: str, result: Any, consumes: str = "") -> Entry:
        entry = {
            "ordinal": self.ordinal,
            "kind": kind,
            "name": consumes,
            "result": result,
        }
        self.pending.append((entry, consumes))
        self.seen.append(entry)
        return entry

    # Ends.

    def _end(self, outcome: Outcome, *, buffered: bool = False, **more: Any) -> None:
        raise Ended(
            Decision(
                outcome,
                entries=self._encoded(buffered=buffered),
                consumed=self._consumed(buffered=buffered),
                journaled=self.journaled,
                version="1",
                undo=self.undo,
                emits=tuple(self.emits) if sends(outcome) else (),
                children=tuple(self.children) if sends(outcome) else (),
                **more,
            )
        )

    def _honour_cancel(self) -> Iterator[None]:
        if self.cancel:
            yield from self._compensate()
            self._end(Outcome.CANCELLED)

    def _fail(self, closing: int) -> Iterator[None]:
        yield from self._compensate()
        failure = Failure(
            "permanent", "Toy", "no", closing=closing, seen=closing, undone=self.undo
        )
        self._end(Outcome.FAILED, failure=failure)

    def _compensate(self) -> Iterator[None]:
        if self.undo:
            yield
            self.outside.answer(self)

    def _continue(self) -> None:
        base = json.loads(self.record.base or b"[]") if self.record else []
        base.append(self.history + [entry for entry, _ in self.pending] + self.buffered)
        self._end(
            Outcome.CONTINUED,
            buffered=True,
            payload=json.dumps({**self.plan, "end": "done"}).encode(),
            base=json.dumps(base).encode(),
        )


def sends(outcome: Outcome) -> bool:
    """Tell whether a commit with this outcome carries out emits and starts children."""
    return outcome not in (Outcome.FAILED, Outcome.CANCELLED)


def signal_of(name: str, fields: tuple[bytes, ...]) -> list[Any]:
    """Return the name of an inbox item, and the number of its event if it has one."""
    pairs = dict(zip(fields[::2], fields[1::2], strict=True))
    return [name, json.loads(pairs.get(b"payload", b"{}")).get("n")]


def kinds_of(steps: list[Step]) -> list[tuple[str, Step]]:
    """Return the kind of journal entry for each ordinal, with its step."""
    found, child = [], False
    for step in steps:
        if step[0] in KINDS and (step[0] != "result" or child):
            found.append((KINDS[step[0]], step))
        if step[0] in {"child", "result"}:
            child = step[0] == "child"
    return found
