"""What the master tells its service manager, by systemd's ``sd_notify`` protocol.

Owns the socket and what was not taken yet. It must never block the master or fail it:
a manager that is slow, or gone, is not the service's concern.
"""

from __future__ import annotations

import logging
import math
import os
import socket
from collections.abc import MutableMapping

from workflow_worker.clock import monotonic

log = logging.getLogger(__name__)

NAMES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What a service manager leaves in the environment."""
AGAIN = 0.5
"""Seconds until another try, where the manager had no room for a message."""
LONGEST_STATUS = 500
"""Characters: systemd throws messages of over 4,096 bytes away."""


class Notifier:
    """Messages to the manager; without one, all of this does nothing.

    Args:
        address: of its datagram socket, a path or ``@`` and an abstract name; empty
            for none.
        watchdog: seconds without a sign of life after which it kills the service;
            0 for never.

    Attributes:
        waiting: there is a manager, and it was not told yet that the service is up.
        due_at: monotonic seconds when :meth:`beat` has something to say; inf: never.
    """

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        self.waiting = bool(address)
        self.due_at = 0.0 if address and watchdog else math.inf
        # Twice in its time, as sd_watchdog_enabled(3) advises.
        self._interval = watchdog / 2 if watchdog else math.inf
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._status = ""
        # By kind: of what could not be told in time, only the last word counts.
        self._untold: dict[str, str] = {}

    def started(self) -> None:
        """Say that the service is up; nothing if that was said."""
        if self.waiting:
            self.waiting = False
            self._tell("state", "READY=1")

    def reloading(self) -> None:
        """Say that a reload begins; :meth:`reloaded` has to follow."""
        self._tell("state", f"RELOADING=1\nMONOTONIC_USEC={monotonic() * 1e6:.0f}")

    def reloaded(self) -> None:
        """Say that a reload is over, whatever came of it."""
        # During the start the manager waits for another READY: that of all workers.
        if not self.waiting:
            self._tell("state", "READY=1")

    def stopping(self) -> None:
        """Say that the service stops."""
        self.waiting = False
        self._tell("state", "STOPPING=1")

    def status(self, text: str) -> None:
        """Say in one line how the service is; nothing if that was its last status."""
        line = " ".join(text.split())[:LONGEST_STATUS]
        if line != self._status:
            self._status = line
            self._tell("status", f"STATUS={line}")

    def beat(self, now: float) -> None:
        """Give the sign of life if it is due, and tell what was not taken before.

        Args:
            now: monotonic seconds.
        """
        if now < self.due_at:
            return
        self.due_at = now + self._interval
        if not math.isinf(self._interval):
            self._untold["watchdog"] = "WATCHDOG=1"
        self._send(now)

    def _tell(self, kind: str, message: str) -> None:
        self._untold[kind] = message
        self._send(monotonic())

    def _send(self, now: float) -> None:
        if not self._address:
            self._untold.clear()
            return
        try:
            # Opened for each: no child inherits one, and the manager may start anew.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                for kind, message in list(self._untold.items()):
                    sender.sendto(message.encode("utf-8", "replace"), self._address)
                    del self._untold[kind]
        except BlockingIOError:
            self.due_at = min(self.due_at, now + AGAIN)
        except OSError as error:
            log.debug("the service manager does not listen: %s", error)
            self._untold.clear()


def from_environment(environ: MutableMapping[str, str]) -> Notifier:
    """Return who speaks to the manager that started this process, if one did.

    Its variables are taken away: user code in the children must not speak for the
    service.
    """
    address, interval, pid = (environ.pop(name, "") for name in NAMES)
    if not address.startswith(("/", "@")):
        return Notifier()
    # Of another process, where a wrapper that was asked for it forked this one.
    meant = pid in ("", str(os.getpid()))
    usec = int(interval) if meant and interval.isdecimal() else 0
    return Notifier(address, usec / 1e6)
