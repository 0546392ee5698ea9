"""A worker process from its first line to its last.

Owns the order of things: what is built, what starts, and how it ends. A drain stops
the intake first, gives back what was not begun, lets what runs finish, commits it,
gives back what did not end in time, and only then lets go of the consumer's name. Hooks
of the start run before everything, those of the stop after it.
"""

from __future__ import annotations

import logging
import os
import secrets
import select
import signal
import threading

from workflow_worker import log as logs
from workflow_worker import stacks
from workflow_worker.app import App, load_app
from workflow_worker.board import Slot, State
from workflow_worker.broker import boot, figures, fleet
from workflow_worker.broker.claim import Owner
from workflow_worker.broker.commit import Retention
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import (
    ConfigurationError,
    Rejected,
    Unavailable,
    WorkflowWorkerError,
)
from workflow_worker.metrics import values
from workflow_worker.metrics.page import Page
from workflow_worker.model import Predecessor, Task
from workflow_worker.runtime.backoff import Retries
from workflow_worker.runtime.execute import Runner
from workflow_worker.runtime.route import table
from workflow_worker.settings import Settings
from workflow_worker.threads import BROKEN, UNREADY, spawn
from workflow_worker.titles import entitle
from workflow_worker.worker.committer import Committer
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.loop import Reader
from workflow_worker.worker.meter import Meter
from workflow_worker.worker.notices import Notices
from workflow_worker.worker.pool import Pool
from workflow_worker.worker.tally import Tally
from workflow_worker.worker.vitals import Vitals

log = logging.getLogger(__name__)

DRAINED = 0
UNUSABLE_SERVER = 2
UNUSABLE_APP = 4
_ORPHAN_GRACE = 3.0
_BEAT = 0.5
_BEATS = 12
"""Fewest heartbeats in a lease: the monitor renews for whoever misses a few."""
_SHORTEST = 0.05
_EARLY, _EARLIEST = 0.2, 1.0
"""Which part of its grace, and how many seconds at most, a worker leaves unused."""


def run_worker(
    settings: Settings,
    slot: Slot,
    slot_index: int,
    instance: str,
    predecessors: tuple[Predecessor, ...],
    orphaned_fd: int,
) -> int:
    """Be a worker until told to stop; return the exit status.

    Args:
        settings: as of the last reload.
        slot: the board, to begin and beat on.
        slot_index: its number.
        instance: unique name of this service.
        predecessors: the dead whose entries are adopted before this one is ready.
        orphaned_fd: readable once the master is gone.
    """
    logs.set_slot(slot_index)
    consumer = f"{instance}.{slot_index}.{secrets.token_hex(3)}"
    slot.begin(consumer)
    # Before the App is imported, which may declare metrics of its own.
    values.keep_on(Page(slot.metrics))
    try:
        with logs.aside():
            app = load_app(settings.workflow_app)
    except ConfigurationError as error:
        log.error("%s", error, exc_info=error.__cause__)  # noqa: TRY400 - the user's own
        return UNUSABLE_APP
    stacks.answer_again()
    return WorkflowWorker(settings, slot, app, consumer).run(predecessors, orphaned_fd)


class WorkflowWorker:
    """Everything one worker process is made of."""

    def __init__(self, settings: Settings, slot: Slot, app: App, consumer: str) -> None:
        self._settings = settings
        self._slot = slot
        self._hooks = app.hooks
        self._notices = Notices(app.hooks) if app.hooks.dead_letter else None
        self._routes = table(app)
        self._partition = Partition(settings.workflow_namespace)
        self._link = self._new_link()
        self._run_id = ""
        self._meter = Meter(app.workflows, app.actions)
        self._tally = Tally(slot, self._meter)
        self._leases = Leases(
            self._owner(consumer), self._new_link(), settings.lease_ms, self._tally.lost
        )
        self._pool = Pool(
            settings,
            Runner(
                app,
                max_payload_bytes=settings.max_payload_bytes,
                retries=Retries(
                    settings.max_retries, settings.retry_base_ms, settings.retry_max_ms
                ),
            ),
            self._leases,
            slot,
            self._meter,
        )
        self._committer = Committer(
            self._new_link(),
            self._leases,
            Retention(settings.result_ttl_ms, settings.result_limit),
            self._tally,
            self._pool.linger,
            self._pool.room_bell.ring,
            self._notices.committed if self._notices else None,
        )
        self._vitals_link = self._new_link()
        self._vitals = Vitals(slot, self._pool.recent, self._pool.busy, self._waiting)
        self._reader = Reader(
            settings,
            self._link,
            self._leases,
            self._pool,
            self._committer,
            self._tally,
            slot,
            self._connect,
        )

    def run(self, predecessors: tuple[Predecessor, ...], orphaned_fd: int) -> int:
        """Work until told to stop; return the exit status."""
        self._heed_signals()
        spawn("lifeline", lambda: _end_with_master(orphaned_fd))
        spawn("heart", self._beat)
        spawn("keeper", self._keep)
        # It beats already: what runs here may take longer than a heartbeat.
        try:
            self._hooks.run_start()
        except (Exception, SystemExit):
            log.exception("on_worker_start failed: the worker ends and is tried again")
            return UNREADY
        if self._notices:
            self._notices.start()
        committing = spawn("committer", self._committer.run)
        self._pool.start(self._committer)
        spawn("vitals", self._vitals.run)
        try:
            self._reader.run(predecessors)
        except ConfigurationError as error:
            log.error("%s", error)  # noqa: TRY400 - one sentence says it
            return UNUSABLE_SERVER
        self._drain(committing)
        return DRAINED

    def _drain(self, committing: threading.Thread) -> None:
        self._slot.draining()
        grace = self._settings.shutdown_timeout_ms / 1000
        until = monotonic() + grace - min(grace * _EARLY, _EARLIEST)
        self._give_back(self._pool.withdraw(), "were not begun")
        running = len(self._leases.held)
        if running:
            log.info("draining: %d events to finish", running)
        ended = self._pool.end(until)
        self._committer.end()
        committing.join()
        self._meter.flush()
        if not ended:
            # If the master had to kill it, whoever claims them would count a delivery.
            self._give_back(list(self._leases.held.values()), "did not end in time")
        try:
            self._reader.leave()
        except WorkflowWorkerError as error:
            log.warning("left without a word: %s", error)
        # Nothing is held any more: if a hook takes too long, its kill costs nothing.
        if self._notices:
            self._notices.end(until)
        self._hooks.run_stop()
        self._slot.stopped()
        log.info("drained")

    def _give_back(self, tasks: list[Task], why: str) -> None:
        if not tasks:
            return
        try:
            self._reader.give_back(tasks)
        except WorkflowWorkerError as error:
            log.warning("could not give events back, others will claim them: %s", error)
        else:
            log.info("gave back %d events that %s", len(tasks), why)

    def _heed_signals(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self._reader.stop())
        # Ctrl-C reaches the whole group; the master decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _beat(self) -> None:
        """Give signs of life; in a thread that never waits for anything."""
        pause = min(_BEAT, self._leases.lease / _BEATS)
        while True:
            self._slot.beat()
            self._entitle()
            sleep(pause)

    def _entitle(self) -> None:
        threads = self._settings.concurrency_limit
        draining = "draining, " if self._slot.state is State.DRAINING else ""
        load = f"{draining}{self._slot.busy(threads)}/{threads} busy"
        entitle(f"worker {self._slot.index}", self._settings.workflow_app, load)

    def _waiting(self) -> int:
        """Return how many events of the stream nobody has taken yet."""
        length, leased = figures.backlog(self._vitals_link, self._partition)
        return length - leased

    def _keep(self) -> None:
        """Renew what is held; also right after a pause of the process."""
        while True:
            self._meter.flush()
            if self._leases.due <= 0:
                try:
                    self._leases.renew()
                except (Unavailable, Rejected) as error:
                    log.debug("renewal waits: %s", error)
            sleep(min(_BEAT, max(self._leases.due, _SHORTEST)))

    def _connect(self) -> bool:
        """Check the server and tell it the routes; True if it is not the former one."""
        server = boot.check(self._link, self._partition)
        fleet.register(self._link, self._partition, self._routes)
        self._pool.serve(server.epoch)
        renewed = bool(self._run_id) and server.run_id != self._run_id
        self._run_id = server.run_id
        if renewed:
            name = self._leases.owner.consumer.rpartition(".")[0]
            owner = self._owner(f"{name}.{secrets.token_hex(3)}")
            self._leases.rename(owner)
            self._slot.renamed(owner.consumer)
        return renewed

    def _owner(self, consumer: str) -> Owner:
        settings = self._settings
        return Owner(
            consumer,
            self._partition,
            settings.max_payload_bytes,
            settings.dedup_ttl_ms,
            settings.early_ttl_ms,
            settings.inbox_limit,
        )

    def _new_link(self) -> Link:
        return Link(self._settings.redis_url)


def _end_with_master(orphaned_fd: int) -> None:
    """Wait for the master's end; only where the kernel does not see to it."""
    select.select([orphaned_fd], [], [])
    log.warning("the master is gone; ending")
    os.kill(os.getpid(), signal.SIGTERM)
    sleep(_ORPHAN_GRACE)
    os._exit(BROKEN)
