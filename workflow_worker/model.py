"""Values that cross borders, and the ports between runtime and worker.

Frozen msgspec structs where one is made per event (a frozen dataclass costs several
times as much to build). Nothing here does anything.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

Json = dict[str, Any]
"""A JSON object, decoded to plain Python types."""


class Event(msgspec.Struct, frozen=True):
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
    """How a run of an execution ended."""

    COMPLETED = "completed"
    FAILED = "failed"


class Failure(msgspec.Struct, frozen=True):
    """Why an execution failed, as it is kept in its dead letter."""

    category: str
    error_type: str
    message: str
    traceback: str = ""
    attempts: int = 1


class Emission(msgspec.Struct, frozen=True):
    """An event that a commit publishes."""

    name: str
    payload: bytes
    """Encoded JSON object."""
    key: str = ""


class Record(msgspec.Struct, frozen=True):
    """What Redis knows about an execution that ran before."""

    step: int
    """Raised by every commit; a fence beside the lease."""
    status: str
    attempt: int = 1
    state: str = ""
    version: str = ""


class Task(msgspec.Struct, frozen=True):
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
        counts: False where the event was counted already, when it was fanned out.
        waited_ms: how long ago it was first put back unrun, by the server's clock.
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
    counts: bool = True
    waited_ms: int = 0


class Decision(msgspec.Struct, frozen=True):
    """What a run of an execution came to; the commit carries it out as a whole.

    Attributes:
        outcome: how it ended.
        result: encoded JSON of what the function returned, None for nothing.
        failure: set when the outcome is failed.
        state: the business state, None if it never was set.
        emits: events to publish with the commit.
        entries: journal entries not durable yet, encoded.
        journaled: how many entries are durable already.
        result_ttl_ms: how long to keep a result; None for the setting's default.
        version: of the workflow that ran.
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


class Effects(Protocol):
    """What the runtime may ask of the process that runs it."""

    def now_ms(self) -> int:
        """Return the wall clock in ms since the epoch, for stamps in the journal."""

    def monotonic(self) -> float:
        """Return seconds for measuring durations."""

    def append(self, entries: tuple[bytes, ...], journaled: int) -> None:
        """Make journal entries durable; returns once they are.

        Args:
            entries: encoded, in order.
            journaled: how many entries are durable before these.

        Raises:
            LeaseLost: another worker owns the execution now; nothing was written.
        """

    def acting(self, action: str) -> None:
        """Note that the thread runs this action now; empty when it left it."""


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
