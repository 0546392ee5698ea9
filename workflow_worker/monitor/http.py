"""Waitress around the application: threads, limits, and an end that cuts nobody off.

Owns the sockets. It must never know what is served.
"""

from __future__ import annotations

import logging
import socket
import threading
from functools import partial

from flask import Flask
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]  # no stubs
from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]  # same

from workflow_worker.clock import monotonic, sleep
from workflow_worker.monitor.connections import Connections, Limits
from workflow_worker.threads import spawn

THREADS = 12
"""Some more than may wait for Redis."""
CLOSE_GRACE = 1.0
"""Seconds that requests under way have at the end."""
SPARE = 50
"""Connections more than there should be, so that the server never stops to accept."""
OF_WAITRESS = {
    "max_request_header_size": 32 * 1024,
    "max_request_body_size": 64 * 1024,
    "inbuf_overflow": 128 * 1024,
}
"""Octets: nobody has to send us much."""


class Server:
    """Serves in threads from the moment it is made.

    Args:
        app: what to serve.
        listener: bound socket; None serves nothing.
        limits: of what clients may take; by default what suits every service.
    """

    def __init__(
        self,
        app: Flask,
        listener: socket.socket | None,
        limits: Limits | None = None,
    ) -> None:
        self._server = None
        if not listener:
            return
        # It warns of each request that waits a moment for a thread.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._server = _connections(app, listener, limits or Limits())
        spawn("http", self._server.run)

    def close(self) -> None:
        """Accept nobody any more, and finish what is under way.

        Who comes now waits in the listener, which the master holds open, for the next
        monitor: a reload refuses no probe.
        """
        if not self._server:
            return
        # In the loop's own thread: else a connection it is just accepting would come
        # after the look at who is still connected.
        stopped = threading.Event()
        self._server.trigger.pull_trigger(partial(self._refuse, stopped))
        stopped.wait(CLOSE_GRACE)
        deadline = monotonic() + CLOSE_GRACE
        while self._server.active_channels and monotonic() < deadline:
            sleep(0.01)

    def _refuse(self, stopped: threading.Event) -> None:
        if self._server:
            self._server.end()
        stopped.set()


def _connections(app: Flask, listener: socket.socket, limits: Limits) -> Connections:
    threads = ThreadedTaskDispatcher()
    threads.set_thread_count(THREADS)
    made = Connections(
        app,
        map={},
        _sock=listener,
        dispatcher=threads,
        bind_socket=False,
        sockinfo=(listener.family, listener.type, listener.proto, None),
        adj=Adjustments(
            sockets=[listener],
            ident="",
            # select() can't watch descriptors above 1023.
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            connection_limit=limits.connections + SPARE,
            **OF_WAITRESS,
        ),
    )
    made.limits = limits
    # Set here, for as options they can only be whole.
    made.adj.cleanup_interval = made.adj.asyncore_loop_timeout = limits.look
    return made
