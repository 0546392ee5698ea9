"""How each kind of child is forked: its name, its log, what it must not hold.

Owns what a child is given and what is taken from it. It must never decide whether one
is wanted.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from workflow_worker import log as logs
from workflow_worker.board import Board, Slot
from workflow_worker.model import Predecessor
from workflow_worker.settings import Settings
from workflow_worker.supervisor import entries
from workflow_worker.supervisor.child import Lifeline, fork
from workflow_worker.supervisor.dumps import Dumps
from workflow_worker.supervisor.roster import ForkWorker
from workflow_worker.supervisor.signals import SignalQueue
from workflow_worker.titles import entitle


@dataclass(frozen=True, slots=True)
class Forks:
    """Forks children of one service; all methods return the pid or raise OSError.

    Attributes:
        board: what all share.
        instance: unique name of the service.
        listener: the monitor's socket, which nobody else may hold.
        worker_main: what a worker process runs.
        lifeline: ties children to the master.
        signals: the master's, closed in children.
        dumps: where children leave their stacks.
    """

    board: Board
    instance: str
    listener: socket.socket | None
    worker_main: entries.WorkerMain
    lifeline: Lifeline
    signals: SignalQueue
    dumps: Dumps

    def workers(self, settings: Settings) -> ForkWorker:
        """Return what forks workers with these settings."""
        return functools.partial(self._worker, settings)

    def _worker(
        self, settings: Settings, slot: Slot, predecessors: tuple[Predecessor, ...]
    ) -> int:
        def main() -> int:
            logs.set_slot(slot.index)
            return self.worker_main(
                settings,
                slot,
                slot.index,
                self.instance,
                predecessors,
                self.lifeline.orphaned_fd,
            )

        return self._fork(settings, f"worker {slot.index}", main)

    def monitor(self, settings: Settings) -> int:
        """Fork the monitor."""

        def main() -> int:
            fd = self.lifeline.orphaned_fd
            return entries.monitor(
                settings, self.board, self.instance, self.listener, fd
            )

        return self._fork(settings, "monitor", main, listens=True)

    def watcher(self, settings: Settings) -> int:
        """Fork the watcher of the working directory."""
        main = functools.partial(entries.watch, os.getpid())
        return self._fork(settings, "watcher", main)

    def rehearsal(self, settings: Settings) -> int:
        """Fork a process that imports the App and vanishes."""
        main = functools.partial(entries.rehearse, settings)
        return self._fork(settings, "rehearsal", main)

    def _fork(
        self,
        settings: Settings,
        name: str,
        main: Callable[[], int],
        *,
        listens: bool = False,
    ) -> int:
        def entry() -> int:
            role = name.split(maxsplit=1)[0]
            logs.configure(settings.log_level, settings.log_format, role=role)
            entitle(name, settings.workflow_app)
            return main()

        shed = [self.signals.close, self.dumps.shed]
        if self.listener and not listens:
            # Else the port would stay bound by whoever outlives the monitor.
            shed.append(self.listener.close)
        return self.dumps.fork(
            name, lambda fd: fork(name, self.lifeline, shed, fd, entry)
        )
