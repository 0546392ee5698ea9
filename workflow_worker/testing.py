"""TestWorker: your workflows in your own test's process, on a real server, no waiting.

The server is real and so are the scripts; what is missing is the service around them:
no processes, no leases to lose, no waiting. Everything that is due runs inside the call
that made it due, in this thread, so a breakpoint in a workflow works, and an
``assert`` after the call sees what came of it::

    from workflow_worker.testing import TestWorker

    def test_an_order_nobody_approves_is_refunded():
        with TestWorker(app) as worker:
            order = worker.start("order.placed", {"order_id": "o-1", "cents": 5})
            assert order.state == "awaiting approval"
            worker.skip()                         # to the timeout, 24 hours on
            assert order.result() == "refunded"

Needs a server to start: ``pip install 'workflow-worker[embedded]'``, or one on PATH.
"""

from __future__ import annotations

import functools
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from workflow_worker.app import App
from workflow_worker.broker import boot, claim, fleet, journal
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.commit import Retention, commit
from workflow_worker.broker.connection import Link
from workflow_worker.broker.journal import Appended
from workflow_worker.broker.keys import Partition
from workflow_worker.client import Client, Execution
from workflow_worker.clock import monotonic
from workflow_worker.embedded import EmbeddedServer
from workflow_worker.errors import ExecutionFailed, LeaseLost, WorkflowWorkerError
from workflow_worker.model import Task, Unsaved
from workflow_worker.runtime.execute import Runner
from workflow_worker.runtime.route import table
from workflow_worker.settings import Settings

NAMESPACE = "test"
MOST_AT_ONCE = 10


class Stuck(WorkflowWorkerError):  # noqa: N818 - a state, named for the test's reader
    """The execution waits for something that nobody sends."""


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
        self._runner = Runner(app, max_payload_bytes=self._settings.max_payload_bytes)
        self._routes = table(app)
        self._server = EmbeddedServer()
        self._partition = Partition(NAMESPACE)
        self._clock_offset = 0.0
        self._next_timer_ms = -1

    def __enter__(self) -> Self:
        """Start the server."""
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
        decision = self._runner.run(task, _Hand(scope, self._now_ms, append))
        settings = self._settings
        retention = Retention(settings.result_ttl_ms, settings.result_limit)
        commit(self._link, self._owner(), [(task, decision)], retention)

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


class Started:
    """One execution under test; every property is read anew.

    Attributes:
        id: the execution's.
    """

    def __init__(self, worker: TestWorker, execution_id: str) -> None:
        self._worker = worker
        self.id = execution_id

    def __repr__(self) -> str:
        return f"<Started {self.id}>"

    def look(self) -> Execution:
        """Return everything that is known of it, its history too.

        Raises:
            ExecutionNotFound: it has not begun, or its time is over.
        """
        return self._worker.client.execution(self.id)

    @property
    def status(self) -> str:
        """``waiting``, ``completed``, ``failed`` or ``cancelled``."""
        return self.look().status

    @property
    def state(self) -> str:
        """The business state, as of ``ctx.set_state``."""
        return self.look().state

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Names of the signals it waits for."""
        return tuple(self.look().waiting_for)

    def result(self) -> Any:
        """Skip time until it has ended, and return its result.

        Raises:
            ExecutionFailed: it failed or was cancelled.
            Stuck: it waits for a signal, and no timer would end that.
        """
        while True:
            seen = self.look()
            if seen.status == "completed":
                return seen.result
            if seen.status in {"failed", "cancelled"}:
                error: Mapping[str, Any] = seen.error or {}
                raise ExecutionFailed(
                    self.id,
                    seen.status,
                    error.get("type", ""),
                    error.get("message", ""),
                )
            if not self._worker.skip():
                raise Stuck(
                    f"{self.id} waits for {' or '.join(seen.waiting_for) or 'ever'}"
                )

    def signal(self, name: str, payload: object = None) -> None:
        """Send it a signal, whatever its key, and run what becomes of that."""
        self._worker.client.signal(self.id, name, payload)
        self._worker.run()

    def cancel(self) -> None:
        """Cancel it, and run its compensations."""
        self._worker.client.cancel(self.id)
        self._worker.run()

    def retry(self) -> None:
        """Make it go on from its journal after it failed or was cancelled."""
        self._worker.client.retry(self.id)
        self._worker.run()


class _Hand:
    """The run's ``Effects``; nobody can take its lease.

    Args:
        scope: what idempotency keys begin with.
        now_ms: the skipping clock.
        append: makes entries of this run durable, one call at a time.
    """

    def __init__(
        self,
        scope: str,
        now_ms: Callable[[], int],
        append: Callable[[tuple[bytes, ...], int, tuple[str, ...]], bool],
    ) -> None:
        self.scope = scope
        self.now_ms = now_ms
        self.monotonic = monotonic
        self._append = append
        self._appending = threading.Lock()
        """Guards the link: submitted actions run in threads."""

    def random(self) -> float:
        return random.random()  # noqa: S311 - no secret

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def append(
        self,
        entries: tuple[bytes, ...],
        journaled: int,
        consumed: tuple[str, ...] = (),
    ) -> bool:
        with self._appending:
            return self._append(entries, journaled, consumed)

    def unsaved(self, entries: Unsaved) -> None:
        """Leave it to the next action or the commit: this process is not killed."""

    def acting(self, action: str) -> None: ...

    def ensure(self) -> None: ...

    def lost(self) -> bool:
        return False

    def beside(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()

    def pause(self, seconds: float) -> bool:
        """Never wait in a thread: suspended, it can be skipped."""
        return False
