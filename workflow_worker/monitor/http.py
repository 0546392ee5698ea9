"""Waitress around the application: threads, limits, and an end that cuts nobody off.

Owns the only import of waitress and the sockets. It must never know what is served.
"""

from __future__ import annotations

import logging
import socket
import threading
from functools import partial

from flask import Flask
from waitress.server import create_server  # type: ignore[import-untyped]  # no stubs

from workflow_worker.clock import monotonic, sleep

THREADS = 4
CLOSE_GRACE = 1.0
"""Seconds that requests under way have at the end."""
LIMITS = {
    "max_request_header_size": 16 * 1024,
    "max_request_body_size": 64 * 1024,
    "inbuf_overflow": 128 * 1024,
    "connection_limit": 500,
    "channel_timeout": 15,
    "cleanup_interval": 5,
}
"""Nobody has to send us much, and who is slow or greedy keeps no probe out."""


class Server:
    """Serves in threads from the moment it is made.

    Args:
        app: what to serve.
        listener: bound socket; None serves nothing.
    """

    def __init__(self, app: Flask, listener: socket.socket | None) -> None:
        self._server = None
        if not listener:
            return
        # It warns of each request that waits a moment for a thread.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._server = create_server(
            app,
            sockets=[listener],
            threads=THREADS,
            ident="",
            # select() can't watch descriptors above 1023.
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            **LIMITS,
        )
        run = self._server.run
        threading.Thread(target=run, name="http", daemon=True).start()

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
            self._server.accepting = False
        stopped.set()
