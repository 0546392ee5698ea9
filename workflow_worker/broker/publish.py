"""Putting events into the stream."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

import msgspec

from workflow_worker.broker import scripts
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition

CHUNK_EVENTS = 100
"""Most events in one script call: the server serves nobody else meanwhile."""
CHUNK_BYTES = 256 * 1024
"""About how many bytes of events in one script call."""


class Message(msgspec.Struct, frozen=True):
    """An event on its way out, already encoded.

    Attributes:
        name: event name.
        payload: encoded JSON object.
        key: business key, empty for none.
        id: publish id that makes it idempotent, empty for none.
        headers: encoded JSON object, empty for none.
        execution_id: the one execution it is a signal for, empty for none.
        keep: the record of what it starts is kept, whether there is much in it or not.
        delay_ms: how long from now it appears.
        due_ms: instead of a delay, when, by the server's clock.
    """

    name: str
    payload: bytes
    key: str = ""
    id: str = ""
    headers: bytes = b""
    execution_id: str = ""
    keep: bool = False
    delay_ms: int = 0
    due_ms: int = 0

    @property
    def later(self) -> bool:
        """Whether it is to appear later than now."""
        return self.delay_ms > 0 or self.due_ms > 0

    @property
    def when(self) -> str:
        """As publish.lua reads it."""
        return f"+{self.delay_ms}" if self.delay_ms > 0 else str(self.due_ms)

    def values(self) -> list[str | bytes]:
        """Return field, value, field, value, ... of the stream entry."""
        values: list[str | bytes] = ["name", self.name, "payload", self.payload]
        if self.key:
            values += ("key", self.key)
        if self.id:
            values += ("id", self.id)
        if self.headers:
            values += ("headers", self.headers)
        if self.execution_id:
            values += ("execution_id", self.execution_id)
        if self.keep:
            values += ("_keep", "1")
        return values


def publish(link: Link, partition: Partition, messages: Iterable[Message]) -> list[str]:
    """Append events in order; return the id of each: the given one, else the entry's.

    An event for later that has none given gets a random one, for it has no entry yet.

    Events go out in chunks; each chunk lands whole or not at all. A chunk whose reply
    was lost is sent again only if every event in it has an id, which makes it harmless.

    Raises:
        Unavailable: not reached; the chunk was not sent.
        OutcomeUnknown: the reply was lost, and sending again could publish twice, or
            had no reply either.
        Rejected: the server's memory is full.
    """
    ids: list[str] = []
    for chunk in _chunks(messages):
        ids += publish_chunk(link, partition, chunk)
    return ids


def publish_chunk(link: Link, partition: Partition, chunk: list[Message]) -> list[str]:
    """Append a few events, whole or not at all; else like :func:`publish`."""
    values: list[str | bytes | int] = []
    ids: list[str] = []
    for message in chunk:
        pairs, event_id = message.values(), message.id
        if message.later and not event_id:
            event_id = f"d-{secrets.token_hex(8)}"
            pairs += ("_origin", event_id)
        ids.append(event_id)
        values += (message.when, len(pairs), *pairs)
    if all(message.id for message in chunk):
        entries, _ = scripts.run_twice(link, "publish", partition, *values)
    else:
        entries = scripts.run(link, "publish", partition, *values)
    return [i or entry.decode() for i, entry in zip(ids, entries, strict=True)]


def _chunks(messages: Iterable[Message]) -> Iterator[list[Message]]:
    chunk: list[Message] = []
    size = 0
    for message in messages:
        chunk.append(message)
        size += len(message.payload) + len(message.headers)
        if len(chunk) == CHUNK_EVENTS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
