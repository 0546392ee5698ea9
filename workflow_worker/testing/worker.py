"""The worker itself: takes, runs and commits, one thing after the other."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from workflow_worker.app import App, DeadLetterNotice
from workflow_worker.broker import boot, claim, fleet, journal
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.commit import Landed, Retention, commit
from workflow_worker.broker.connection import Link
from workflow_worker.broker.journal import Appended
from workflow_worker.broker.keys import Partition
from workflow_worker.client import Client
from workflow_worker.clock import monotonic
from workflow_worker.embedded import EmbeddedServer
from workflow_worker.errors import LeaseLost
from workflow_worker.model import Task
from workflow_worker.runtime.backoff import Retries
from workflow_worker.runtime.execute import Runner
from workflow_worker.runtime.route import table
from workflow_worker.settings import Settings
from workflow_worker.testing.effects import RunEffects
from workflow_worker.testing.started import Started

NAMESPACE = "test"
MOST_AT_ONCE = 10


class TestWorker:
    """Runs the workflows of an App in this process; a context manager.

    Args:
        app: what to run.
        settings: limits to test under, ``MAX_PAYLOAD_BYTES`` for instance; where Redis
            is does not count.

    Raises:
        ConfigurationError: there is no server to start.
        DefinitionError: the App can't work as it is declared.
    """

    __test__ = False  # its name would have pytest collect it

    def __init__(self, app: App, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        limits = self._settings
        self._runner = Runner(
            app,
            max_payload_bytes=limits.max_payload_bytes,
            retries=Retries(
                limits.max_retries,
                limits.retry_base_ms,
                limits.retry_max_ms,
                jitter=False,  # by chance a delay would be over before a test looks
            ),
        )
        self._hooks = app.hooks
        self._routes = table(app)
        self._server = EmbeddedServer()
        self._partition = Partition(NAMESPACE)
        self._clock_offset = 0.0
        self._next_timer_ms = -1

    def __enter__(self) -> Self:
        """Start the server; hooks of ``on_worker_start`` come first."""
        self._hooks.run_start()
        self._server.__enter__()
        self._link = Link(self._server.url)
        self._epoch = boot.check(self._link, self._partition).epoch
        fleet.register(self._link, self._partition, self._routes)
        self.client = Client(self._server.url, NAMESPACE)
        self.run()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server; what it held is gone."""
        self._hooks.run_stop()
        self.client.close()
        self._link.close()
        self._server.stop()

    @property
    def redis_url(self) -> str:
        """Where the server is, for a look at it with another client."""
        return self._server.url

    @property
    def now(self) -> datetime:
        """What ``ctx.now()`` would say; skipped time included."""
        return datetime.fromtimestamp(self._now_ms() / 1000, UTC)

    def start(
        self,
        name: str,
        payload: object = None,
        *,
        key: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name on the wire
        headers: Mapping[str, Any] | None = None,
    ) -> Started:
        """Publish an event that starts one workflow, and run until nothing is due.

        Args:
            name: of the event.
            payload: what becomes a JSON object.
            key: business key; the event's id by default.
            id: publish id.
            headers: more fields.

        Raises:
            LookupError: the event starts no workflow of the App, or several.
        """
        wanted = self.client.started_by(name)
        if len(wanted) != 1:
            raise LookupError(
                f"event {name} starts {', '.join(wanted) or 'no workflow'}; "
                "start() wants exactly one: use publish()"
            )
        event_id = self.publish(name, payload, key=key, id=id, headers=headers)
        return Started(self, f"{self._partition.number}-{event_id}.{wanted[0]}")

    def publish(
        self,
        name: str,
        payload: object = None,
        *,
        key: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name on the wire
        headers: Mapping[str, Any] | None = None,
        delay: float | timedelta | None = None,
        at: datetime | None = None,
    ) -> str:
        """Publish any event, run until nothing is due, and return its id.

        Args:
            name: of the event.
            payload: what becomes a JSON object.
            key: business key; the event's id by default.
            id: publish id.
            headers: more fields.
            delay: seconds or timedelta until it appears.
            at: instead of a delay, when; aware.
        """
        event_id = self.client.publish(
            name,
            payload,
            key=key,
            id=id,
            headers=headers,
            delay=delay,
            at=at,
            keep=True,
        )
        self.run()
        return event_id

    def execution(self, execution_id: str) -> Started:
        """Return what to look at and act on an execution with."""
        return Started(self, execution_id)

    def run(self) -> None:
        """Run everything that is due now; the other methods do so by themselves."""
        while True:
            taken = claim.take(self._link, self._owner(), MOST_AT_ONCE)
            self._clock_offset = taken.server_ms - monotonic() * 1000
            for task in taken.tasks:
                self._run(task)
            settled = (taken.succeeded, taken.failed, taken.ignored, taken.duplicate)
            if not taken.tasks and not any(settled) and taken.next_timer_ms:
                self._next_timer_ms = taken.next_timer_ms
                return

    def skip(self, by: float | timedelta | None = None) -> timedelta:
        """Let time pass, and run what becomes due on the way; returns how much passed.

        Args:
            by: seconds or timedelta; by default to the next timer, and not at all if
                there is none.
        """
        if by is None:
            return self._hop() if self._next_timer_ms >= 0 else timedelta()
        left = by if isinstance(by, timedelta) else timedelta(seconds=by)
        passed = timedelta()
        while 0 <= self._next_timer_ms <= left / timedelta(milliseconds=1):
            hop = self._hop()
            left, passed = left - hop, passed + hop
        self._advance(round(left / timedelta(milliseconds=1)))
        return passed + left

    def _hop(self) -> timedelta:
        span = self._next_timer_ms
        self._advance(span)
        return timedelta(milliseconds=span)

    def _advance(self, by_ms: int) -> None:
        ahead = self._partition.ahead_ms + by_ms
        self._partition = Partition(NAMESPACE, ahead_ms=ahead)
        self.client.skip_clock(ahead)
        self.run()

    def _run(self, task: Task) -> None:
        version = task.record.version if task.record else None
        if not self._runner.knows(task.workflow, version):
            raise LookupError(
                f"the App has no workflow {task.workflow} {version or ''}".rstrip()
            )
        scope = f"{NAMESPACE}:{self._epoch}"
        append = functools.partial(self._append, task)
        effects = RunEffects(scope, self._now_ms, append, self.client.lock)
        decision = self._runner.run(task, effects)
        settings = self._settings
        retention = Retention(settings.result_ttl_ms, settings.result_limit)
        [landed] = commit(self._link, self._owner(), [(task, decision)], retention)
        notice = DeadLetterNotice.of(task, decision)
        if notice is not None and landed is Landed.COMMITTED:
            self._hooks.run_dead_letter(notice)

    def _append(
        self,
        task: Task,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...],
    ) -> bool:
        version = self._runner.version_of(task.workflow)
        appended = journal.append(
            self._link, self._owner(), task, entries, journaled, version, consumed
        )
        if appended is Appended.LOST:
            raise LeaseLost(task.execution_id)
        return appended is Appended.CANCEL

    def _owner(self) -> Owner:
        settings = self._settings
        return Owner(
            "test",
            self._partition,
            settings.max_payload_bytes,
            settings.dedup_ttl_ms,
            settings.early_ttl_ms,
            settings.inbox_limit,
        )

    def _now_ms(self) -> int:
        return int(self._clock_offset + monotonic() * 1000)
