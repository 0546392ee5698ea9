"""Executions that a workflow starts, and their results.

Owns the handle. Must never start anything itself: the commit does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, TypeVar

import msgspec

from workflow_worker import codec
from workflow_worker.errors import ErrorCategory, ExecutionFailed, InvalidPayload
from workflow_worker.model import Child, Item
from workflow_worker.runtime import journal, waits
from workflow_worker.runtime.journal import RESULT, START, ChildResult, Entry
from workflow_worker.runtime.run import Run

R = TypeVar("R")

_ENDS = ("completed", "failed", "cancelled")


def start(
    run: Run,
    workflow: Callable[..., object] | str,
    payload: object,
    key: str | None,
) -> Handle[Any]:
    """Start a child with the commit of this run.

    Raises:
        DefinitionError: the function is no workflow of this App, or the name is none.
        InvalidPayload: payload or key can't be sent.
    """
    name = run.catalog.name_of(workflow)
    what = f"payload for workflow {name}"
    data = codec.encode_object(
        {} if payload is None else payload, what, max_bytes=run.limit
    )
    key = codec.require_text(key or "", f"key for workflow {name}")
    recorded = run.step(START, name)
    ordinal = run.history.ordinal
    mark = run.mark(ordinal)
    execution_id = f"{run.task.execution_id}/{mark}"
    if recorded is None:
        run.children += (Child(execution_id, name, data, key, mark),)
        run.notes += ((ordinal, START, name),)
    return Handle(run, name, execution_id, mark)


class Handle(Generic[R]):
    """A child execution, as its parent holds it.

    Attributes:
        execution_id: of the child; it exists once the parent's run is committed.
    """

    __slots__ = ("_entry", "_mark", "_run", "_workflow", "execution_id")

    def __init__(self, run: Run, workflow: str, execution_id: str, mark: str) -> None:
        self.execution_id = execution_id
        self._run = run
        self._workflow = workflow
        self._mark = mark
        self._entry: Entry | None = None

    def __repr__(self) -> str:
        return f"<execution {self.execution_id}>"

    def result(self, timeout: float | timedelta | None = None) -> R:
        """Wait for the child's end without holding a thread; return its result.

        Decoded as the child's annotation says, if this App declares that workflow.

        Args:
            timeout: seconds or timedelta to wait at most; None for as long as it takes.

        Raises:
            ExecutionFailed: the child failed or was cancelled.
            TimeoutError: it did not end in time; it goes on.
            InvalidPayload: its result is not what its workflow is annotated with.
            ValueError: the timeout is no duration.
        """
        run = self._run
        run.require_workflow("the result of an execution")
        delay_ms = waits.delay(timeout, "the timeout of .result")
        run.require_open()
        # The first result was taken out of the inbox: there is no second to wait for.
        if self._entry is None:
            names = (f"/{self._mark}",)
            entry = waits.resolve(run, RESULT, names, delay_ms, _read)
            if waits.timed_out(entry):
                error = TimeoutError(
                    f"execution {self.execution_id} did not end within {timeout}"
                )
                run.note_failure(error, entry.ordinal)
                raise error
            self._entry = entry
        return self._outcome(self._entry)

    def _outcome(self, entry: Entry) -> R:
        run, what = self._run, f"result of workflow {self._workflow}"
        end: ChildResult = codec.decode(entry.result, ChildResult, what)
        if end.status != "completed":
            error = ExecutionFailed(
                self.execution_id,
                end.status,
                end.error_type,
                end.message,
                end.category,
            )
            run.note_failure(error, entry.ordinal)
            raise error
        workflow = run.catalog.current.get(self._workflow)
        returns = workflow.returns if workflow is not None else Any
        result: R = codec.decode(end.result, returns, what)
        return result


def _read(item: Item) -> bytes:
    """Make an entry's result of what arrived from a child.

    Raises:
        InvalidPayload: it is damaged.
    """
    fields = dict(zip(item.fields[::2], item.fields[1::2], strict=False))
    status = _text(fields, b"status")
    if status not in _ENDS:
        raise InvalidPayload(f"an execution can't end as {status!r}")
    result = fields.get(b"result") or b"null"
    codec.decode(result, Any, "result")
    category = _text(fields, b"category")
    known = category in set(ErrorCategory)
    end = ChildResult(
        status,
        msgspec.Raw(result),
        _text(fields, b"error_type"),
        _text(fields, b"message"),
        ErrorCategory(category) if known else ErrorCategory.PERMANENT,
    )
    return journal.encode(end)


def _text(fields: dict[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode(errors="backslashreplace")
