"""Values that cross borders.

Frozen msgspec structs where one is made per event (a frozen dataclass costs several
times as much to build). Nothing here does anything.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any

import msgspec

Json = dict[str, Any]
"""A JSON object, decoded to plain Python types."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """An immutable, named message.

    Attributes:
        name: what happened, ``order.placed``.
        payload: the JSON object that came with it.
        key: business key; the event's id where the publisher gave none.
        id: the publisher's id, else the id of its first stream entry.
        execution_id: set where the event is addressed to one execution.
        headers: extra fields, not interpreted.
        published_ms: publisher's wall clock in ms since the epoch, 0 if unknown.
    """

    name: str
    payload: Json
    key: str
    id: str
    execution_id: str = ""
    headers: Json = {}
    published_ms: int = 0

    @property
    def published_at(self) -> datetime | None:
        """When it was published, aware and in UTC; None if the publisher said not."""
        if not self.published_ms:
            return None
        return datetime.fromtimestamp(self.published_ms / 1000, UTC)


class Outcome(enum.StrEnum):
    """How a run of an execution ended.

    Suspended and retrying executions go on: the one waits for a signal, a child or a
    time, the other for the next try of something that failed.
    """

    COMPLETED = "completed"
    FAILED = "failed"
    SUSPENDED = "suspended"
    RETRYING = "retrying"
    CONTINUED = "continued"
    CANCELLED = "cancelled"


class PutBack(enum.StrEnum):
    """Why an entry was given back without having been run to an end."""

    DRAIN = "drain"
    """Its worker ended."""
    UNKNOWN = "unknown"
    """Its worker had not the workflow, or not the version."""
    SUSPECT = "suspect"
    """It is to run alone, and could not."""
    FLOOD = "flood"
    """Too many retries of its workflow ran."""


class Failure(msgspec.Struct, frozen=True):
    """Why an execution failed, as it is kept in its dead letter.

    Attributes:
        closing: ordinal of the step whose error ended it, which a retry does again;
            0 for none.
        seen: ordinal of the last step that the function had asked for when it met that
            error; a retry drops what came later, for it may have come of the error.
        undone: its compensations ran, so what its journal says no longer holds.
        reason: why it is of this category.
        action: name of the action whose error it was; empty for the function's own.
        exit: how the last worker that it took down ended; empty if it took none down.
    """

    category: str
    error_type: str
    message: str
    traceback: str = ""
    attempts: int = 1
    reason: str = ""
    action: str = ""
    exit: str = ""
    closing: int = 0
    seen: int = 0
    undone: bool = False


class Emission(msgspec.Struct, frozen=True):
    """An event that a commit publishes.

    Attributes:
        name: of the event.
        payload: encoded JSON object.
        key: business key; empty for the event's own id.
        delay_ms: how long after the commit it appears.
        id: of a delayed one, which gets none from the stream; else empty.
    """

    name: str
    payload: bytes
    key: str = ""
    delay_ms: int = 0
    id: str = ""


class Child(msgspec.Struct, frozen=True):
    """An execution that a commit starts.

    Attributes:
        execution_id: made of the parent's and ``mark``.
        workflow: its name.
        payload: encoded JSON object.
        key: business key; empty for its execution id.
        mark: the parent's run and ordinal; names the result in the parent's inbox.
    """

    execution_id: str
    workflow: str
    payload: bytes
    key: str
    mark: str


class Wait(msgspec.Struct, frozen=True):
    """What a suspended execution waits for, whichever comes first.

    Attributes:
        ordinal: of the wait in program order; a wait that goes on keeps its due time.
        names: of inbox items: signals, or ``/<mark>`` of a child. Empty for a sleep.
        delay_ms: until it times out, counted from the commit; None for never.
        due_ms: instead of a delay, when by the server's clock.
        again_ms: when by the server's clock the execution is to run again, whether the
            wait is over or not: an action beside it is to be tried again, or the time
            of the workflow is over. None for no such reason.
    """

    ordinal: int
    names: tuple[str, ...] = ()
    delay_ms: int | None = None
    due_ms: int | None = None
    again_ms: int | None = None


class Item(msgspec.Struct, frozen=True):
    """One thing in an execution's inbox, not consumed yet.

    Attributes:
        sequence: order of arrival, over all names.
        name: of the signal; ``/<mark>`` for the result of a child.
        fields: flat, name, value, ...: the event, or status, result and error.
    """

    sequence: int
    name: str
    fields: tuple[bytes, ...]


class Record(msgspec.Struct, frozen=True):
    """What Redis knows about an execution that ran before.

    Attributes:
        step: raised by every commit; a fence beside the lease.
        status: running, waiting, retrying, completed, failed or cancelled.
        attempt: which try of the workflow this is, from 1.
        state: business state as of the last commit.
        version: of the workflow that began it; None if nothing did yet.
        run: how often it has continued as new; part of marks and idempotency keys.
        fired: ordinal of the wait whose time is over; 0 for none.
        cancel: an operator asked for its end.
        base: encoded JSON of what a continued execution brought along.
        started_ms: when its record was made, or an operator's retry opened it again, by
            the server's clock.
        retry: this run is the next try of something that failed.
    """

    step: int
    status: str
    attempt: int = 1
    state: str = ""
    version: str | None = None
    run: int = 0
    fired: int = 0
    cancel: bool = False
    base: bytes = b""
    started_ms: int = 0
    retry: bool = False


class Overdue(msgspec.Struct, frozen=True):
    """What took longer than it may, so that its worker was killed.

    Attributes:
        entry: id of the stream entry that ran.
        ordinal: of the action that ran; 0 for the workflow's own code.
        action: its name.
    """

    entry: str
    ordinal: int = 0
    action: str = ""


class Task(msgspec.Struct, frozen=True, gc=False):
    """One leased stream entry: run this execution.

    Attributes:
        entry: id of the stream entry that is the lease.
        count: the entry's delivery count; with the consumer's name it is the fence.
        deliveries: how often the event was handed out to run, this time included;
            copies of an entry carry it on, so it can be more than ``count``.
        execution_id: stable over crashes and retries.
        workflow: name of the workflow to run.
        event: what started it; None if the entry can't be decoded.
        defect: why the entry can't be decoded, in one sentence; else empty.
        record: None where nothing was stored yet.
        journal: the encoded entries recorded so far.
        inbox: what it was sent and has not consumed, in order of arrival.
        whole: False where the inbox holds more than these: then only the first
            awaited item is here.
        counts: the next commit that is not a retry counts its event.
        keep: whoever published it wants the record kept.
        waited_ms: how long ago it was first put back for that reason, by the server's
            clock.
        put_back: why it was put back last, a :class:`PutBack`; else empty.
        exit: how the worker ended that ran it last, ``SIGSEGV`` or ``exit status 3``;
            empty if that is not known.
        overdue: what its last worker was killed for; None if it was not.
    """

    entry: str
    count: int
    deliveries: int
    execution_id: str
    workflow: str
    event: Event | None
    defect: str = ""
    record: Record | None = None
    journal: tuple[bytes, ...] = ()
    inbox: tuple[Item, ...] = ()
    whole: bool = True
    counts: bool = True
    keep: bool = False
    waited_ms: int = 0
    put_back: str = ""
    exit: str = ""
    overdue: Overdue | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What a run of an execution came to; the commit carries it out as a whole.

    Attributes:
        outcome: how it ended.
        result: encoded JSON of what the function returned, None for nothing.
        failure: set when the outcome is failed or retrying.
        state: the business state, None if it never was set.
        emits: events to publish with the commit.
        entries: journal entries not durable yet, encoded.
        journaled: how many entries are durable already.
        result_ttl_ms: how long to keep a result; None for the setting's default.
        version: of the workflow that ran.
        consumed: per entry, the name of the inbox item it consumes, or empty; the
            whole tuple is empty if none of them does.
        children: executions to start with the commit.
        data: encoded JSON object of ``ctx.data``; None if it was never touched.
        wait: what an execution that goes on waits for.
        attempt: which try of the workflow comes next; 0 for the same one.
        ending: only its compensations are left, so a cancel changes nothing.
        undo: compensations are registered: a cancel has to wake it for them.
        signals: the workflow takes signals.
        payload: what a continued execution goes on with, an encoded JSON object.
        base: what it brings along, encoded.
    """

    outcome: Outcome
    result: bytes | None = None
    failure: Failure | None = None
    state: str | None = None
    emits: tuple[Emission, ...] = ()
    entries: tuple[bytes, ...] = ()
    journaled: int = 0
    result_ttl_ms: int | None = None
    version: str = ""
    consumed: tuple[str, ...] = ()
    children: tuple[Child, ...] = ()
    data: bytes | None = None
    wait: Wait | None = None
    undo: bool = False
    signals: bool = False
    payload: bytes = b""
    base: bytes = b""
    attempt: int = 0
    ending: bool = False


class Route(msgspec.Struct, frozen=True):
    """Which events one workflow wants; registered with the fleet.

    Attributes:
        workflow: its name.
        names: event names that start it.
        patterns: Lua patterns, anchored, of event names that start it.
        signals: event names delivered to its open executions.
    """

    workflow: str
    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()


class Predecessor(msgspec.Struct, frozen=True):
    """A worker that died, as its board slot showed it."""

    consumer: str
    started: tuple[str, ...]
    """Entry ids whose functions were running."""
    ordered: bool = False
    """True if the master killed it: then no delivery is counted."""
    exit: str = ""
    """How it ended: ``SIGSEGV``, ``exit status 3``."""
    overdue: tuple[Overdue, ...] = ()
    """Those of the started for which the master killed it: they have failed a try."""
