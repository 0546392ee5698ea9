"""Connections to one server: made when needed, one in use per thread at a time.

Owns that they are never carried over a fork: the sockets are the parent's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from workflow_worker.broker.connection import Link

T = TypeVar("T")


class Links:
    """A small stack of idle connections to one server; thread-safe.

    Args:
        url: where the server is.
        timeout: seconds to connect and to wait for an answer.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._lock = threading.Lock()
        """Guards the stack."""
        self._idle: list[Link] = []
        self._pid = os.getpid()

    @property
    def timeout(self) -> float:
        """Seconds to connect and to wait for an answer."""
        return self._timeout

    def call(self, work: Callable[[Link], T]) -> T:
        """Do work with a connection that nobody else uses meanwhile."""
        link = self._take_idle()
        try:
            return work(link)
        finally:
            with self._lock:
                self._idle.append(link)

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        with self._lock:
            links, self._idle = self._idle, []
        for link in links:
            link.close()

    def _take_idle(self) -> Link:
        if os.getpid() != self._pid:
            self._leave_parents()
        with self._lock:
            return self._idle.pop() if self._idle else self._new_link()

    def _new_link(self) -> Link:
        return Link(self._url, timeout=self._timeout)

    def _leave_parents(self) -> None:
        """Start over in a forked child."""
        self._lock = threading.Lock()
        for link in self._idle:
            link.forget()
        self._idle = []
        self._pid = os.getpid()
