"""Client: what producers and operators call.

Importing and building it does nothing; the first call connects. Connections are kept
in a small stack, one in use per thread at a time, and never carried over a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from workflow_worker import codec
from workflow_worker.broker import publish as publishing
from workflow_worker.broker import queries
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.publish import Message
from workflow_worker.broker.queries import DeadLetter
from workflow_worker.errors import InvalidPayload
from workflow_worker.settings import Settings, load

__all__ = ["Client", "DeadLetter"]

T = TypeVar("T")
LONGEST_ID = 512
"""Most characters of a publish id or key: they become part of key names."""


class Client:
    """Publishes events and reads what became of them.

    Thread-safe, lazy, safe over fork, a context manager.

    Args:
        redis_url: where Redis is; by default as the settings say.
        namespace: prefix of all keys; by default as the settings say.
        timeout: seconds to connect and to wait for an answer.

    Raises:
        ConfigurationError: a setting that is used has a bad value.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        namespace: str | None = None,
        *,
        timeout: float = 5.0,
    ) -> None:
        settings = _settings(redis_url, namespace)
        self._url = settings.redis_url
        self._partition = Partition(settings.workflow_namespace)
        self._max_payload = settings.max_payload_bytes
        self._timeout = timeout
        self._lock = threading.Lock()
        """Guards the stack of idle links."""
        self._idle: list[Link] = []
        self._pid = os.getpid()

    def publish(
        self,
        name: str,
        payload: object = None,
        *,
        key: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name on the wire
        headers: Mapping[str, Any] | None = None,
    ) -> str:
        """Publish one event and return its id.

        Args:
            name: what happened, ``order.placed``.
            payload: anything that becomes a JSON object: a mapping, a dataclass, a
                ``msgspec.Struct``; nothing for an empty one.
            key: business key; the event's id by default.
            id: makes it idempotent: a second event with this id within
                ``DEDUP_TTL_MS`` is dropped when it is read.
            headers: more fields, not interpreted.

        Raises:
            InvalidPayload: it can't be encoded or is too large; nothing was sent.
            Unavailable: Redis could not be reached within the timeout; likewise.
            OutcomeUnknown: the reply was lost, and without an id it was not sent
                again: the event may or may not be in the stream.
            Rejected: the server's memory is full.
        """
        message = self._message(name, payload, key, id, headers)
        return self._call(lambda link: self._send(link, [message]))[0]

    def publish_many(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Publish events in order, a hundred per round trip; return their ids.

        Args:
            events: mappings with the arguments of :meth:`publish`: ``name`` and,
                where wanted, ``payload``, ``key``, ``id``, ``headers``. All are
                encoded before the first is sent.

        Raises:
            InvalidPayload, Unavailable, OutcomeUnknown, Rejected: as for
                :meth:`publish`; events before the failing chunk were published.
        """
        messages = [self._from_mapping(event) for event in events]
        return self._call(lambda link: self._send(link, messages))

    def stats(self) -> dict[str, int]:
        """Return the exact counters of the whole fleet since the database was made."""
        return self._call(lambda link: queries.stats(link, self._partition))

    def backlog(self) -> tuple[int, int]:
        """Return how many events are in the stream, and how many of them run."""
        return self._call(lambda link: queries.backlog(link, self._partition))

    def dead_letters(self, limit: int = 1000, after: str = "-") -> list[DeadLetter]:
        """Return dead letters, oldest first.

        Args:
            limit: most letters returned.
            after: id of the last letter already seen.
        """
        return self._call(
            lambda link: queries.dead_letters(link, self._partition, limit, after)
        )

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        with self._lock:
            links, self._idle = self._idle, []
        for link in links:
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _from_mapping(self, event: Mapping[str, Any]) -> Message:
        unknown = event.keys() - {"name", "payload", "key", "id", "headers"}
        if unknown or "name" not in event:
            raise InvalidPayload(
                "an event to publish has a name and, optionally, payload, key, id and "
                f"headers; this one has {', '.join(sorted(event)) or 'nothing'}"
            )
        return self._message(
            event["name"],
            event.get("payload"),
            event.get("key"),
            event.get("id"),
            event.get("headers"),
        )

    def _message(
        self,
        name: str,
        payload: object,
        key: str | None,
        event_id: str | None,
        headers: Mapping[str, Any] | None,
    ) -> Message:
        if not name:
            raise InvalidPayload("an event needs a name")
        body, extra = b"{}", b""
        if payload is not None:
            what = f"payload of event {name}"
            body = codec.encode_object(payload, what, max_bytes=self._max_payload)
        if headers:
            extra = codec.encode_object(headers, f"headers of event {name}")
        return Message(
            codec.require_text(name, "event name"),
            body,
            _short(key, "key"),
            _short(event_id, "id"),
            extra,
        )

    def _send(self, link: Link, messages: list[Message]) -> list[str]:
        return publishing.publish(link, self._partition, messages)

    def _call(self, work: Callable[[Link], T]) -> T:
        with self._borrowed() as link:
            return work(link)

    @contextmanager
    def _borrowed(self) -> Iterator[Link]:
        link = self._take_idle()
        try:
            yield link
        finally:
            with self._lock:
                self._idle.append(link)

    def _take_idle(self) -> Link:
        if os.getpid() != self._pid:
            self._leave_parents_links()
        with self._lock:
            return self._idle.pop() if self._idle else self._new_link()

    def _new_link(self) -> Link:
        return Link(self._url, timeout=self._timeout)

    def _leave_parents_links(self) -> None:
        """Start over in a forked child: the sockets are still the parent's."""
        self._lock = threading.Lock()
        for link in self._idle:
            link.forget()
        self._idle = []
        self._pid = os.getpid()


def _settings(redis_url: str | None, namespace: str | None) -> Settings:
    given = {"redis_url": redis_url, "workflow_namespace": namespace}
    return load({name: value for name, value in given.items() if value is not None})


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
