"""What callers publish, checked and encoded before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from workflow_worker import codec
from workflow_worker.broker.publish import Message
from workflow_worker.client import times
from workflow_worker.errors import InvalidPayload

LONGEST_ID = 512
"""Most characters of a publish id or key: they become part of key names."""


class Draft(msgspec.Struct, frozen=True):
    """An event as the caller gave it; the fields are the arguments of ``publish``."""

    name: str
    payload: object = None
    key: str | None = None
    id: str | None = None
    headers: Mapping[str, Any] | None = None
    delay: float | timedelta | None = None
    at: datetime | None = None
    keep: bool = False
    execution_id: str = ""

    @classmethod
    def from_mapping(cls, event: Mapping[str, Any]) -> Self:
        """Read one of the mappings of ``publish_many``.

        Raises:
            InvalidPayload: it has no name, or something that no event has.
        """
        accepted = cls.__struct_fields__[:-1]
        if "name" not in event or not event.keys() <= {*accepted}:
            raise InvalidPayload(
                "an event to publish has a name and, optionally, "
                f"{', '.join(accepted[1:-1])} and {accepted[-1]}; this one has "
                f"{', '.join(sorted(map(str, event))) or 'nothing'}"
            )
        return cls(**event)

    def message(self, max_payload: int) -> Message:
        """Return it encoded.

        Args:
            max_payload: most bytes of the payload.

        Raises:
            InvalidPayload: it can't be encoded or is too large.
            ValueError: ``delay`` or ``at`` is no such thing, or both are given.
        """
        if not self.name:
            raise InvalidPayload("an event needs a name")
        if self.delay is not None and self.at is not None:
            raise ValueError("an event has a delay or a time (at), not both")
        return Message(
            name=codec.require_text(self.name, "event name"),
            payload=self._payload(max_payload),
            key=_short(self.key, "key"),
            id=_short(self.id, "id"),
            headers=self._headers(),
            execution_id=self.execution_id,
            keep=self.keep,
            delay_ms=0 if self.delay is None else times.delay_ms(self.delay),
            due_ms=0 if self.at is None else times.at_ms(self.at),
        )

    def _payload(self, max_bytes: int) -> bytes:
        if self.payload is None:
            return b"{}"
        what = f"payload of event {self.name}"
        return codec.encode_object(self.payload, what, max_bytes=max_bytes)

    def _headers(self) -> bytes:
        if not self.headers:
            return b""
        return codec.encode_object(self.headers, f"headers of event {self.name}")


def address(execution_id: object) -> str:
    """Return the id of an execution if it can be one.

    Raises:
        InvalidPayload: it is empty or no text.
    """
    text = codec.require_text(execution_id, "an execution's id")
    if not text:
        raise InvalidPayload("an execution's id can't be empty")
    return text


def _short(value: str | None, what: str) -> str:
    if value is None:
        return ""
    text = codec.require_text(value, f"the event's {what}")
    if not 0 < len(text) <= LONGEST_ID:
        raise InvalidPayload(
            f"the event's {what} has {len(text)} characters; 1 to {LONGEST_ID} are "
            "accepted"
        )
    return text
