"""What the children of the master become.

Owns the way from a fresh fork to each role's code. Everything is imported inside the
functions, in the child, so that the master's memory never holds redis, flask or an
App, and a replacement runs what is on disk now.
"""

from __future__ import annotations

import logging
import os
import pkgutil
import socket
from pathlib import Path
from typing import Protocol

from workflow_worker.board import Board, Slot
from workflow_worker.errors import ConfigurationError
from workflow_worker.model import Predecessor
from workflow_worker.settings import Settings

log = logging.getLogger(__name__)

REFUSED = 4
"""Exit status: the App can't be imported, or can't work."""
UNUSABLE = (2, REFUSED)
"""Exit statuses that another try with the same code and settings won't change."""


class WorkerMain(Protocol):
    """What a worker process runs; returns its exit status, 0 for drained."""

    def __call__(
        self,
        settings: Settings,
        slot: Slot,
        slot_index: int,
        instance: str,
        predecessors: tuple[Predecessor, ...],
        orphaned_fd: int,
    ) -> int:
        """Work until told to stop.

        Args:
            settings: as of the last reload.
            slot: its place on the board, to begin and beat on.
            slot_index: number of that place.
            instance: unique name of this service, part of consumer names.
            predecessors: the dead whose entries it adopts before it is ready.
            orphaned_fd: readable once the master is gone.
        """


def work(
    settings: Settings,
    slot: Slot,
    slot_index: int,
    instance: str,
    predecessors: tuple[Predecessor, ...],
    orphaned_fd: int,
) -> int:
    """Be a worker; the :class:`WorkerMain` of every real service."""
    from workflow_worker.worker.main import run_worker  # noqa: PLC0415 - after the fork

    return run_worker(settings, slot, slot_index, instance, predecessors, orphaned_fd)


def monitor(
    settings: Settings,
    board: Board,
    instance: str,
    listener: socket.socket | None,
    orphaned_fd: int,
) -> int:
    """Be the monitor."""
    from workflow_worker.monitor.main import run_monitor  # noqa: PLC0415 - likewise

    return run_monitor(settings, board, instance, listener, orphaned_fd)


def watch(master: int) -> int:
    """Be the watcher of the working directory."""
    from workflow_worker.supervisor.watch import run_watcher  # noqa: PLC0415 - likewise

    return run_watcher(master, Path.cwd())


def rehearse(settings: Settings) -> int:
    """Import the App to see whether it can be; say in the log why it can't.

    By name: nothing in the master's package may depend on the App's, the throw-away
    process this runs in excepted.
    """
    load_app = pkgutil.resolve_name("workflow_worker.app:load_app")
    try:
        load_app(settings.workflow_app)
    except ConfigurationError as error:
        # The user's own traceback where there is one; ours would tell them nothing.
        log.error("%s", error, exc_info=error.__cause__)  # noqa: TRY400 - see above
        return REFUSED
    return os.EX_OK
