"""The monitor process: serves HTTP and logs the metrics line until the master is gone.

Owns its signals, its threads and its end. It must never write to the board, nor keep
anything that its own death would lose.
"""

from __future__ import annotations

import os
import select
import signal
import socket

from workflow_worker.board import Board
from workflow_worker.clock import monotonic
from workflow_worker.monitor.guard import Guard
from workflow_worker.monitor.http import Server
from workflow_worker.monitor.memory import give_back
from workflow_worker.monitor.metrics import Exposition
from workflow_worker.monitor.registrar import Registrar
from workflow_worker.monitor.report import Reporter
from workflow_worker.monitor.sampler import Sampler
from workflow_worker.monitor.server import make_app
from workflow_worker.selfpipe import signals_fd
from workflow_worker.settings import Settings
from workflow_worker.threads import spawn


def run_monitor(
    settings: Settings,
    board: Board,
    instance: str,
    listener: socket.socket | None,
    orphaned_fd: int,
) -> int:
    """Run the monitor in this process, from its main thread.

    Args:
        settings: intervals, access and limits.
        board: what it shows.
        instance: unique name of this service.
        listener: bound socket to serve HTTP on; None serves none.
        orphaned_fd: readable once the master is gone.

    Returns:
        The exit status.
    """
    with signals_fd((signal.SIGTERM,)) as terminated_fd:
        give_back()
        sampler = Sampler(settings, monotonic)
        exposition = Exposition(settings, board, sampler, monotonic)
        # Once before anybody waits for it: then the names on the pages are known.
        exposition()
        app = make_app(settings, board, monotonic, exposition)
        server = Server(app, listener)
        spawn("sampler", sampler.run)
        registrar = Registrar(settings, board, instance, listener, monotonic)
        registrar.start()
        spawn("guard", Guard(settings, board).run)
        _report(settings, board, (orphaned_fd, terminated_fd))
        registrar.end()
        server.close()
    return os.EX_OK


def _report(settings: Settings, board: Board, end_fds: tuple[int, ...]) -> None:
    """Log the metrics line at its interval, until one of the descriptors is readable.

    The last line comes at the end, so that the log of a run holds its totals.
    """
    interval = settings.metrics_reporting_interval_ms / 1000
    reporter = Reporter(board, monotonic())
    poll = select.poll()
    for fd in end_fds:
        poll.register(fd, select.POLLIN)
    due = monotonic() + interval
    while not poll.poll(max(0.0, due - monotonic()) * 1000):
        if monotonic() >= due:
            reporter.report(monotonic())
            # After a pause of the machine one line, not one for each missed.
            due = max(due + interval, monotonic())
    reporter.report(monotonic())
