"""What producers and operators call, one method each.

Importing and building it does nothing; the first call connects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, Self, TypeVar, overload

from workflow_worker.broker import control, executions, figures, listing
from workflow_worker.broker import publish as publishing
from workflow_worker.broker.connection import Link
from workflow_worker.broker.executions import Execution
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.links import Links
from workflow_worker.client import times, waiting
from workflow_worker.client.fleet import Overview
from workflow_worker.client.letters import Letters
from workflow_worker.client.messages import Draft, address
from workflow_worker.errors import OutcomeUnknown, Unavailable
from workflow_worker.locks import Lock, Locks
from workflow_worker.settings import Settings, load

T = TypeVar("T")
Duration = float | timedelta
"""Seconds or a timedelta."""


class Client(Letters, Overview):
    """Publishes events, and reads and steers what became of them.

    Thread-safe, lazy, safe over fork, a context manager. Where a method waits for
    Redis and can't reach it within the timeout, it raises ``Unavailable``.

    Args:
        redis_url: where Redis is; by default as the settings say.
        namespace: prefix of all keys; by default as the settings say.
        timeout: seconds to connect and to wait for an answer.
        settings: of a service, instead of all these: what its flags said counts.

    Raises:
        ConfigurationError: a setting that is used has a bad value.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        namespace: str | None = None,
        *,
        timeout: float = 5.0,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or _settings(redis_url, namespace)
        self._partition = Partition(self._settings.workflow_namespace)
        url = self._settings.redis_url
        self._links = Links(url, timeout)
        self._locks = Locks(url, self._partition, timeout=timeout, outlast=False)

    # --- events -------------------------------------------------------------------

    @overload
    def publish(
        self,
        name: str,
        payload: object = None,
        *,
        key: str | None = None,
        id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        delay: Duration | None = None,
        at: datetime | None = None,
        keep: bool = False,
        wait: Literal[False] = False,
        timeout: None = None,
    ) -> str: ...

    @overload
    def publish(
        self,
        name: str,
        payload: object = None,
        *,
        key: str | None = None,
        id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        delay: Duration | None = None,
        at: datetime | None = None,
        keep: bool = False,
        wait: bool,
        timeout: Duration | None = None,
    ) -> Any: ...

    def publish(
        self,
        name: str,
        payload: object = None,
        *,
        key: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name on the wire
        headers: Mapping[str, Any] | None = None,
        delay: Duration | None = None,
        at: datetime | None = None,
        keep: bool = False,
        wait: bool = False,
        timeout: Duration | None = None,
    ) -> Any:
        """Publish one event and return its id; with ``wait``, what came of it.

        Args:
            name: what happened, ``order.placed``.
            payload: anything that becomes a JSON object: a mapping, a dataclass, a
                ``msgspec.Struct``; nothing for an empty one.
            key: business key; the event's id by default.
            id: makes it idempotent: a second event with this id within
                ``DEDUP_TTL_MS`` is dropped when it is read.
            headers: more fields, not interpreted.
            delay: seconds or a timedelta after which it appears; a negative one is
                none.
            at: instead of a delay, the instant at which it appears, by the server's
                clock: an aware datetime. One that is past is now.
            keep: the records of what it starts are kept for ``RESULT_TTL_MS`` even if
                there is nothing in them, so that :meth:`wait` finds them.
            wait: keep, wait until what it starts has ended, and return the result in
                plain JSON types. Where it starts several executions, a list of their
                results in the order of the workflows' names. No running service yet:
                waits for one.
            timeout: seconds or a timedelta to wait; by default as long as it takes.

        Raises:
            InvalidPayload: it can't be encoded or is too large; nothing was sent.
            ValueError: ``delay``, ``at`` or ``timeout`` can't be used, or not
                together; nothing was sent.
            Unavailable: Redis could not be reached within the timeout; likewise.
            OutcomeUnknown: the reply was lost, and without an id it was not sent
                again: the event may or may not be in the stream. While waiting: it
                was published, but Redis is away since.
            Rejected: the server's memory is full.
            ExecutionFailed: what was waited for failed or was cancelled; of several
                the first.
            TimeoutError: it was published, but has not ended in time.
            ExecutionNotFound: it was published and is over, but started nothing whose
                record is there.
        """
        if timeout is not None and not wait:
            raise ValueError("timeout= is how long to wait: it needs wait=True")
        seconds = _timeout(timeout)
        draft = Draft(name, payload, key, id, headers, delay, at, keep or wait)
        event_id = self._publish(draft)
        if not wait:
            return event_id
        results = self._results_of(name, event_id, seconds)
        return results[0] if len(results) == 1 else results

    def publish_many(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Publish events in order, a hundred per round trip; return their ids.

        Args:
            events: mappings with the arguments of :meth:`publish`: ``name`` and,
                where wanted, ``payload``, ``key``, ``id``, ``headers``, ``delay``,
                ``at``, ``keep``. All are encoded before the first is sent.

        Raises:
            InvalidPayload, ValueError, Unavailable, OutcomeUnknown, Rejected: as for
                :meth:`publish`; events before the failing chunk were published.
        """
        most = self._settings.max_payload_bytes
        messages = [Draft.from_mapping(event).message(most) for event in events]
        return self._call(
            lambda link: publishing.publish(link, self._partition, messages)
        )

    def started_by(self, name: str) -> list[str]:
        """Return the names of the workflows that an event of this name starts.

        As far as the services know that run, or ran within the last hour.
        """
        return self._call(lambda link: control.started_by(link, self._partition, name))

    # --- executions ---------------------------------------------------------------

    def execution(self, execution_id: str) -> Execution:
        """Return what is known of an execution, with its history.

        Raises:
            ExecutionNotFound: there is no record of it.
        """
        known = address(execution_id)
        return self._call(
            lambda link: executions.execution(link, self._partition, known)
        )

    def executions(
        self,
        status: str | None = None,
        workflow: str | None = None,
        key: str | None = None,
        limit: int = 100,
    ) -> list[Execution]:
        """Return executions without their history, the last changed first.

        Args:
            status: only those that are running, waiting, retrying, completed, failed
                or cancelled.
            workflow: only those of this workflow.
            key: only those with this business key. Both filters read every record.
            limit: most executions returned.

        Raises:
            ValueError: there is no such status.
        """
        return self._call(
            lambda link: listing.newest(
                link,
                self._partition,
                status=status,
                workflow=workflow,
                key=key,
                limit=limit,
            )
        )

    def wait(self, execution_id: str, timeout: Duration | None = None) -> Any:
        """Wait until an execution has ended; return its result as plain JSON types.

        It must keep its record: it has a journal or a result, or was published with
        ``keep=True``.

        Args:
            execution_id: which; it need not have begun.
            timeout: seconds or a timedelta; by default as long as it takes.

        Raises:
            ExecutionFailed: it failed or was cancelled.
            TimeoutError: it has not ended in time.
            ExecutionNotFound: it is neither queued nor recorded.
            ValueError: the timeout is no duration.
        """
        known = address(execution_id)
        wait = waiting.for_execution(self._links, self._partition, known)
        return executions.result_of(wait.until_ended(_timeout(timeout))[0])

    def signal(
        self,
        execution_id: str,
        name: str,
        payload: object = None,
        *,
        headers: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> str:
        """Publish an event that is for one execution, whatever its key; return its id.

        One that has not begun yet gets it if it begins within ``EARLY_TTL_MS``; one
        that has ended never does.

        Args:
            execution_id: which.
            name: of the signal, one that its workflow names in ``signals=``; else the
                event becomes a dead letter.
            payload: as for :meth:`publish`.
            headers: likewise.
            event_id: makes it idempotent, like ``id`` there.

        Raises:
            InvalidPayload, Unavailable, OutcomeUnknown, Rejected: as for
                :meth:`publish`.
        """
        return self._publish(
            Draft(
                name,
                payload,
                id=event_id,
                headers=headers,
                execution_id=address(execution_id),
            )
        )

    def cancel(self, execution_id: str) -> str:
        """End an execution: ``cancelled`` at once, or ``asked``.

        One that runs ends at its next step; one with compensations runs them first.

        Raises:
            ExecutionNotFound: there is no record of it.
            NotPossible: it has completed or failed already.
        """
        known, its = address(execution_id), self._settings
        return self._call(
            lambda link: control.cancel(
                link,
                self._partition,
                known,
                its.result_ttl_ms,
                its.early_ttl_ms,
                its.result_limit,
            )
        )

    def retry(self, execution_id: str) -> None:
        """Make a failed or cancelled execution go on where its journal ends.

        Raises:
            ExecutionNotFound: there is no record of it.
            NotPossible: it is neither, or its compensations have run.
        """
        known, its = address(execution_id), self._settings
        self._call(
            lambda link: control.retry(
                link, self._partition, known, its.early_ttl_ms, its.inbox_limit
            )
        )

    # --- locks --------------------------------------------------------------------

    def lock(self, name: str, ttl: Duration = 30, wait: Duration = 10) -> Lock:
        """Return a distributed lock, taken where a ``with`` block begins.

        One holder at a time, over all processes with this Redis and namespace. Its
        ``.token`` is for what it protects: see :class:`~workflow_worker.locks.Lock`.

        Args:
            name: of the lock; whoever names it the same excludes each other.
            ttl: seconds or timedelta after which it is free if its holder is silent;
                it is renewed in the background while it is held.
            wait: seconds or timedelta to wait for it at most; 0 is one try.

        Raises:
            ValueError: one of them can't be used.
            LockNotAcquired, Unavailable, Rejected: where the block begins.
            LockLost: where the token is read, or the block ends.
        """
        return self._locks.lock(name, ttl, wait)

    # --- the whole ----------------------------------------------------------------

    def stats(self) -> dict[str, int]:
        """Return the exact counters of the whole fleet since the database was made."""
        return self._call(lambda link: figures.stats(link, self._partition))

    def backlog(self) -> tuple[int, int]:
        """Return how many events are in the stream, and how many of them run."""
        return self._call(lambda link: figures.backlog(link, self._partition))

    def skip_clock(self, ahead_ms: int) -> None:
        """Have the scripts' clock run ahead of the server's; for a TestWorker."""
        self._partition = replace(self._partition, ahead_ms=ahead_ms)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._links.close()
        self._locks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _publish(self, draft: Draft) -> str:
        message = draft.message(self._settings.max_payload_bytes)
        return self._call(
            lambda link: publishing.publish_chunk(link, self._partition, [message])
        )[0]

    def _results_of(self, name: str, event_id: str, timeout: float | None) -> list[Any]:
        wait = waiting.for_event(self._links, self._partition, name, event_id)
        try:
            ended = wait.until_ended(timeout)
        except Unavailable as error:
            # As such it would say that nothing was published.
            raise OutcomeUnknown(
                f"event {event_id} was published, but what comes of it can't be read: "
                f"{error}"
            ) from error
        except TimeoutError as error:
            raise TimeoutError(f"event {event_id} was published, but {error}") from None
        return [executions.result_of(each) for each in ended]

    def _call(self, work: Callable[[Link], T]) -> T:
        return self._links.call(work)


def _settings(redis_url: str | None, namespace: str | None) -> Settings:
    given = {"redis_url": redis_url, "workflow_namespace": namespace}
    return load({name: value for name, value in given.items() if value is not None})


def _timeout(value: Duration | None) -> float | None:
    return None if value is None else times.seconds(value, "timeout")
