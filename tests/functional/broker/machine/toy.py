"""A toy workflow whose every step is read from its event, and the runs of it.

What a run does follows from the task alone, as it must; only what an action answers is
new each time, so that a result that was seen and then lost can't go unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from typing import Any

from tests.functional.broker.machine.broken import same
from tests.functional.broker.machine.plan import (
    SOON,
    UNITS,
    Entry,
    Outside,
    Past,
    Step,
    signal_of,
)
from workflow_worker.broker.journal import Appended
from workflow_worker.model import (
    Child,
    Decision,
    Emission,
    Failure,
    Outcome,
    Task,
    Wait,
)

Append = Callable[[tuple[bytes, ...], int, tuple[str, ...]], Appended]
FAILURES = {"retry": SOON, "hurry": 0}
"""How long after its own failure a workflow with this end is tried again."""
FAILS = 2
"""How often such a workflow fails."""


class Ended(Exception):  # noqa: N818 - how a run leaves its steps
    """The run has come to a decision."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.outcome)
        self.decision = decision


class Lost(Exception):  # noqa: N818 - as LeaseLost
    """An append said that somebody else owns the execution."""


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
        self.past = Past(self.history)
        self.journaled = len(self.history)
        self.inbox = list(task.inbox)
        self.cancel = self.record is not None and self.record.cancel
        self.seen: list[Entry] = []
        self.pending: list[tuple[Entry, str]] = []
        self.buffered: list[Entry] = []
        self.emits: list[Emission] = []
        self.children: list[Child] = []
        self.ordinal, self.mark = 0, ""
        self.undos: list[Step] = []
        self.later: dict[int, int] = {}
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
        if self.closing:
            yield from self._close()
        end = self.plan["end"]
        if end == "fail" and self.outside.call(self.id) == 1:
            yield from self._fail(0)
        if end in FAILURES and self.outside.call(self.id) <= FAILS:
            self._begin_again(FAILURES[end])
        if self.later:
            self._try_later(buffered=True)
        if end == "again":
            self._continue()
        result = b'"fine"' if end == "result" else None
        self._end(
            Outcome.COMPLETED,
            buffered=bool(self.history or self.pending),
            result=result,
        )

    # Steps.

    def _act(self) -> Iterator[None]:
        return self._shaky(0)

    def _flaky(self) -> Iterator[None]:
        return self._shaky(0, flaky=True)

    def _beside(self, tries: int, delay_ms: int | None) -> Iterator[None]:
        return self._shaky(tries, delay_ms, beside=True)

    def _shaky(
        self,
        tries: int,
        delay_ms: int | None = None,
        flaky: bool = False,
        *,
        beside: bool = False,
    ) -> Iterator[None]:
        """An action of which so many tries fail; then, if it is flaky, one for good."""
        entry = self._replayed("action")
        if entry is None:
            yield from self._leave(in_line=not beside)
            entry = yield from self._perform("action", tries, delay_ms, flaky, beside)
        if entry is None and not beside:
            self._try_later(buffered=True)
        if entry and entry["result"][1]:
            yield from self._fail(self.ordinal)

    def _perform(
        self,
        kind: str,
        tries: int,
        delay_ms: int | None,
        flaky: bool = False,
        beside: bool = False,
    ) -> Generator[None, None, Entry | None]:
        """Try until it is done, or has to wait: without a delay, in this very run."""
        what = f"{self.id} {kind} {self.ordinal}"
        while self._is_due(kind):
            yield
            if kind == "action":
                yield from self._leave(in_line=not beside)
                if self.closing:
                    break
            answer, calls = self.outside.answer(self), self.outside.call(what)
            if calls > tries:
                return self._keep(kind, [answer, flaky and calls == tries + 1])
            self._keep_try(kind, delay_ms or 0)
            if delay_ms is not None:
                break
        if tried := self.past.tries.get((self.ordinal, kind)):
            self.later[self.ordinal] = tried["due"]
        return None

    def _is_due(self, kind: str) -> bool:
        tried = self.past.tries.get((self.ordinal, kind))
        fired = self.record is not None and self.record.fired == self.ordinal
        return tried is None or fired or tried["due"] <= self.outside.now_ms()

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
        yield from self._leave()
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
                wait=Wait(self.ordinal, names, delay_ms, again_ms=self._again_ms),
            )

    def _emit(self, name: str, delay_ms: int) -> Iterator[None]:
        if self._replayed("emit"):
            return
        yield from self._leave(in_line=False)
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
        yield from self._leave(in_line=False)
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

    def _undo(self, tries: int, delay_ms: int | None) -> Iterator[None]:
        self.undos.append([tries, delay_ms])
        yield from ()

    def _place(self) -> str:
        return f"{self.number}.{self.ordinal}" if self.number else str(self.ordinal)

    # The journal.

    def _replayed(self, kind: str) -> Entry | None:
        self.ordinal += 1
        entry = self.past.entries.get(self.ordinal)
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

    def _keep_try(self, kind: str, delay_ms: int) -> None:
        entry = {
            "ordinal": self.ordinal,
            "kind": "undotry" if kind == "undo" else "try",
            "name": "",
            "due": self.outside.due_ms(delay_ms),
        }
        self.pending.append((entry, ""))
        self.past.tries[self.ordinal, kind] = entry

    # Ends.

    def _end(self, outcome: Outcome, *, buffered: bool = False, **more: Any) -> None:
        void = "failure" in more or "ending" in more
        raise Ended(
            Decision(
                outcome,
                entries=self._encoded(buffered=buffered),
                consumed=self._consumed(buffered=buffered),
                journaled=self.journaled,
                version="1",
                undo=bool(self.undos),
                emits=() if void else tuple(self.emits),
                children=() if void else tuple(self.children),
                signals=self.task.workflow != "plain",
                **more,
            )
        )

    @property
    def closing(self) -> bool:
        """Whether nothing new is to begin."""
        return self.cancel or self.past.end is not None

    def _leave(self, *, in_line: bool = True) -> Iterator[None]:
        """End before the step at hand, unless a run is known to have passed it."""
        if self.closing and (in_line or self.ordinal > self.past.last):
            self.ordinal -= 1
            yield from self._close()

    def _close(self) -> Iterator[None]:
        if self.past.end:
            yield from self._fail(self.past.end["closing"])
        yield from self._compensate()
        self._end(Outcome.CANCELLED, ending=True)

    def _fail(self, closing: int) -> Iterator[None]:
        if self.undos and not self.past.end and not self.past.undos:
            self._keep_end(closing)
        yield from self._compensate()
        failure = Failure(
            "permanent",
            "Toy",
            "no",
            closing=closing,
            seen=closing,
            undone=bool(self.undos),
        )
        self._end(Outcome.FAILED, failure=failure)

    def _keep_end(self, closing: int) -> None:
        entry = {
            "ordinal": self.ordinal,
            "kind": "end",
            "name": "",
            "closing": closing,
        }
        self.pending.append((entry, ""))

    def _compensate(self) -> Iterator[None]:
        for tries, delay_ms in reversed(self.undos):
            self.ordinal += 1
            entry = self.past.undos.get(self.ordinal)
            if entry:
                self.seen.append(entry)
                continue
            self.later.clear()
            if (yield from self._perform("undo", tries, delay_ms)) is None:
                self._try_later(ending=True)

    @property
    def _again_ms(self) -> int | None:
        return min(self.later.values(), default=None)

    def _try_later(self, **how: Any) -> None:
        """Go on with the first that is due of what is to be tried again."""
        ordinal = min(self.later, key=self.later.__getitem__)
        self._end(Outcome.RETRYING, wait=Wait(ordinal, again_ms=self._again_ms), **how)

    def _begin_again(self, delay_ms: int) -> None:
        """Run from the top once more; what this run buffered is void."""
        self._end(
            Outcome.RETRYING,
            wait=Wait(0, again_ms=self.outside.due_ms(delay_ms)),
            failure=Failure("recoverable", "Toy", "not yet"),
            attempt=(self.record.attempt if self.record else 1) + 1,
        )

    def _continue(self) -> None:
        base = json.loads(self.record.base or b"[]") if self.record else []
        base.append(self.history + [entry for entry, _ in self.pending] + self.buffered)
        self._end(
            Outcome.CONTINUED,
            buffered=True,
            payload=json.dumps({**self.plan, "end": "done"}).encode(),
            base=json.dumps(base).encode(),
        )
