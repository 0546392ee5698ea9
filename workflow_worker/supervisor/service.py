"""The master of a service: it forks, reaps, judges and signals, and does nothing else.

Owns the life of every process of the service. It must never hold a Redis connection,
import an App, start a thread or wait for anything but a signal: then it has nothing to
crash on, and each child imports what is installed when it starts.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import signal
import socket
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import workflow_worker
from workflow_worker import log as logs
from workflow_worker.board import Board
from workflow_worker.clock import monotonic
from workflow_worker.errors import ConfigurationError
from workflow_worker.health import Status, Verdict, judge
from workflow_worker.settings import Settings
from workflow_worker.supervisor import entries
from workflow_worker.supervisor.child import Lifeline, reap
from workflow_worker.supervisor.companion import Companion
from workflow_worker.supervisor.dumps import Dumps
from workflow_worker.supervisor.forks import Forks
from workflow_worker.supervisor.hangs import Hangs
from workflow_worker.supervisor.notify import Notifier
from workflow_worker.supervisor.recycle import Recycling
from workflow_worker.supervisor.reload import Round, fingerprint, merged
from workflow_worker.supervisor.roster import Roster
from workflow_worker.supervisor.signals import SignalQueue
from workflow_worker.titles import entitle

log = logging.getLogger(__name__)

PULSE = 1.0
"""Longest sleep of the loop, in seconds; signals end it at once."""
ROLLING_PULSE = 0.05
"""The same while a newcomer is awaited: being ready makes no signal."""
MONITOR_GRACE = 2.0
"""Seconds the monitor has for its last answers."""

PACKAGE = Path(workflow_worker.__file__).parent

STOPPED, KILLED, REFUSED = 0, 1, 2


class WorkerService:
    """A running service: one master, its workers, the monitor.

    Args:
        settings: what to run.
        listener: bound socket for the monitor; None serves no HTTP.
        reload: watch the working directory, and wait for a fix where the App can't be
            imported.
        load_settings: reads the settings anew for a reload; raises ConfigurationError.
        worker_main: what a worker process runs.
        notifier: tells the service manager; None where there is none.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        listener: socket.socket | None,
        reload: bool = False,
        load_settings: Callable[[], Settings] | None = None,
        worker_main: entries.WorkerMain = entries.work,
        notifier: Notifier | None = None,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._reload = reload
        self._load_settings = load_settings or (lambda: settings)
        self._worker_main = worker_main
        self._notifier = notifier or Notifier()
        self._instance = (
            f"{socket.gethostname()[:64]}-{os.getpid()}-{secrets.token_hex(4)}"
        )
        slots = max(64, 4 * settings.worker_count)
        # Two threads for each event at once, and room for a reload that doubles it.
        self._board = Board.create(slots, max(32, 4 * settings.concurrency_limit))
        self._roster = Roster(self._board)
        self._dumps = Dumps()
        self._hangs = Hangs(self._roster, self._dumps, monotonic())
        self._recycling = Recycling(self._roster)
        self._monitor = Companion(
            "monitor", lambda: self._forks.monitor(self._settings)
        )
        self._watcher = Companion(
            "watcher", lambda: self._forks.watcher(self._settings)
        )
        self._came: Counter[signal.Signals] = Counter()
        self._round: Round | None = None
        self._more_workers = 0
        self._status: int | None = None
        self._interrupts = 0
        self._up = False
        self._reload_asked = False
        self._verdict = Verdict(Status.HEALTHY)
        self._judge_at = 0.0
        self._monitor_kill_at = math.inf

    def run(self) -> int:
        """Run until told to stop by a signal; only in the main thread.

        Returns:
            The exit status: 0 after an orderly stop, 1 if a second INT cut it short,
            2 if no worker can work with these settings or this App.
        """
        with SignalQueue() as self._signals:
            self._open()
            try:
                while not self._over():
                    self._listen()
                    self._reap()
                    self._obey()
                    self._roll()
                    self._fill()
                    self._press()
                    self._judge()
                    self._entitle()
                    self._tell()
            finally:
                self._close()
        return self._status or STOPPED

    def _open(self) -> None:
        logs.configure(
            self._settings.log_level, self._settings.log_format, role="master"
        )
        self._lifeline = Lifeline()
        self._forks = Forks(
            self._board,
            self._instance,
            self._listener,
            self._worker_main,
            self._lifeline,
            self._signals,
            self._dumps,
        )
        self._package = fingerprint(PACKAGE)
        self._judge_at = monotonic() + self._settings.health_check_interval_ms / 1000
        self._roster.resize(self._settings.worker_count, 0.0)
        if not self._reload:
            self._watcher.due_at = math.inf
            return
        self._roster.await_orders()
        self._begin_round(self._settings, opening=True)

    def _over(self) -> bool:
        stopping = self._status is not None
        return stopping and not self._roster.workers and not self._monitor.pid

    def _listen(self) -> None:
        """Sleep until a signal comes or something is due."""
        due = min(
            self._roster.next_due(),
            self._monitor_kill_at,
            self._notifier.due_at,
            *(companion.due_at for companion in self._companions if not companion.pid),
        )
        rolling = self._round or self._reload_asked or self._recycling.busy
        rolling = rolling or self._notifier.waiting
        longest = min(ROLLING_PULSE if rolling else PULSE, self._dumps.pause())
        pause = min(longest, max(0.0, due - monotonic()))
        self._came.update(self._signals.wait(pause))
        self._board.beat()

    def _reap(self) -> None:
        """Take note of children that ended."""
        for pid, status, cpu_seconds in reap(list(self._children())):
            self._dumps.forget(pid)
            if pid in self._roster.workers:
                self._worker_ended(pid, status, cpu_seconds)
            elif self._round and pid == self._round.rehearsal:
                self._round.rehearsed(status)
            for companion in self._companions:
                if pid == companion.pid:
                    companion.ended(status)

    def _obey(self) -> None:
        """Act on the signals that came."""
        came, self._came = self._came, Counter()
        self._interrupts += came[signal.SIGINT]
        self._reload_asked |= came[signal.SIGHUP] > 0
        self._more_workers += came[signal.SIGTTIN] - came[signal.SIGTTOU]
        if came[signal.SIGUSR1]:
            own = "".join(traceback.format_stack()).rstrip()
            log.warning("stacks of the master (pid %d):\n%s", os.getpid(), own)
            self._dumps.ask_all(monotonic())
        if came[signal.SIGTERM] or came[signal.SIGINT]:
            self._stop(STOPPED)
        if self._interrupts > 1 and self._roster.workers:
            log.warning("interrupted again: stopping at once")
            self._status = KILLED
            self._roster.press(math.inf)

    def _roll(self) -> None:
        """Bring replacements and changes of number forward, one kind at a time."""
        if self._status is not None:
            return
        if self._round:
            self._round.step(monotonic())
            if self._round.adopted:
                self._adopt(self._round.settings)
            if self._round.done and not self._round.rehearsal:
                self._round = None
                self._notifier.reloaded()
        elif self._reload_asked:
            self._recycling.abandon()
            # Cleared before the files are read: a HUP from here on means one more
            # round, as it may be about a change this one did not see.
            self._reload_asked = False
            self._notifier.reloading()
            self._reload_now()
            if not self._round:
                self._notifier.reloaded()
        elif self._more_workers:
            self._recycling.abandon()
            more, self._more_workers = self._more_workers, 0
            self._resize(len(self._roster.seats) + more)
        else:
            fork = self._forks.workers(self._settings)
            self._recycling.step(self._settings, fork, monotonic())

    def _fill(self) -> None:
        """Start what is missing."""
        now = monotonic()
        self._roster.settle(now)
        self._roster.fill(self._forks.workers(self._settings), now)
        for companion in self._companions:
            companion.keep(now)

    def _press(self) -> None:
        """Kill what did not end in time; end the monitor after the last worker."""
        now = monotonic()
        self._roster.press(now)
        self._dumps.step(now)
        self._hangs.press(self._settings.hang_timeout_ms / 1000, now)
        if self._status is None or self._roster.workers:
            return
        if math.isinf(self._monitor_kill_at):
            self._monitor_kill_at = now + MONITOR_GRACE
            self._monitor.end(signal.SIGTERM)
        elif now >= self._monitor_kill_at:
            self._monitor_kill_at = now + MONITOR_GRACE
            self._monitor.end(signal.SIGKILL)

    def _judge(self) -> None:
        """Say in the log when the health of the service changed."""
        now = monotonic()
        if now < self._judge_at:
            return
        self._judge_at = now + self._settings.health_check_interval_ms / 1000
        views, service = self._board.views(), self._board.service()
        verdict = judge(views, service, now, self._settings.hang_timeout_ms).verdict
        if verdict.status is not self._verdict.status:
            healthy = verdict.status is Status.HEALTHY
            level = logging.INFO if healthy else logging.WARNING
            reasons = "; ".join(verdict.reasons) or "all workers are"
            log.log(level, "the service is %s now: %s", verdict.status, reasons)
        self._verdict = verdict
        how = "; ".join(verdict.reasons) or _workers(len(self._roster.seats))
        self._notifier.status(f"{verdict.status}: {how}")

    def _stop(self, status: int) -> None:
        if self._status is not None:
            return
        grace = self._settings.shutdown_timeout_ms / 1000
        log.info("stopping: %s to drain", _workers(len(self._roster.workers)))
        self._status = status
        self._board.stopping()
        self._notifier.stopping()
        self._watcher.end(signal.SIGTERM)
        if self._round:
            self._round.cancel()
        self._roster.close(grace)

    def _close(self) -> None:
        """Leave no child behind, however the loop ended."""
        children = list(self._children())
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)
        self._lifeline.close()
        log.info("stopped")

    def _worker_ended(self, pid: int, status: int, cpu_seconds: float) -> None:
        self._roster.settle(monotonic())
        self._roster.ended(pid, status, cpu_seconds)
        unusable = status in entries.UNUSABLE and not self._roster.ever_ready
        if not unusable or self._status is not None:
            return
        if self._reload:
            log.error("no worker can work like this: waiting for a change")
            self._roster.await_orders()
        else:
            log.error("no worker can work like this: the service stops")
            self._stop(REFUSED)

    def _reload_now(self) -> None:
        if fingerprint(PACKAGE) != self._package:
            log.error("not reloaded: workflow_worker itself changed, please restart")
            return
        try:
            new = self._load_settings()
        except ConfigurationError as error:
            log.error("not reloaded: %s", error)  # noqa: TRY400 - one sentence, foreseen
            return
        lanes = self._board.lanes // 2
        self._begin_round(merged(self._settings, new, lanes, self._most_workers))

    @property
    def _most_workers(self) -> int:
        """Half of the board: the other half is for those who drain meanwhile."""
        return len(self._board.slots) // 2

    def _resize(self, asked: int) -> None:
        """Have another number of workers until the next reload."""
        count = min(max(asked, 1), self._most_workers)
        if count != asked:
            log.warning(
                "there is room for 1 to %d workers, not for %d",
                *(self._most_workers, asked),
            )
        log.info("%s from now on", _workers(count))
        self._roster.resize(count, self._settings.shutdown_timeout_ms / 1000)

    def _adopt(self, settings: Settings) -> None:
        """Run with other settings from here on; also what is not a worker."""
        if settings != self._settings:
            self._settings = settings
            logs.configure(settings.log_level, settings.log_format, role="master")
            self._monitor.renew()

    def _begin_round(self, settings: Settings, *, opening: bool = False) -> None:
        self._round = Round(
            self._roster,
            settings,
            self._forks.workers(settings),
            self._forks.rehearsal,
            opening=opening,
        )

    def _tell(self) -> None:
        """Tell, once, when all workers are ready, and the manager that we live."""
        if not self._up and self._status is None and self._roster.ready():
            self._up = True
            log.info("ready: %s", _workers(len(self._roster.seats)))
            self._notifier.started()
            self._judge_at = 0.0
        self._notifier.beat(monotonic())

    def _entitle(self) -> None:
        load = _workers(len(self._roster.workers))
        stopping = "" if self._status is None else "stopping, "
        entitle("master", self._settings.workflow_app, stopping + load)

    @property
    def _companions(self) -> tuple[Companion, Companion]:
        return self._monitor, self._watcher

    def _children(self) -> Iterator[int]:
        yield from self._roster.workers
        yield from (companion.pid for companion in self._companions if companion.pid)
        if self._round and self._round.rehearsal:
            yield self._round.rehearsal


def _workers(count: int) -> str:
    return f"{count} worker{'s' * (count != 1)}"
