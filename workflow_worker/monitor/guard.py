"""Keeps the leases of workers that live but can't: C code holds their interpreter.

Owns for whom that is done. Never for a process that is stopped or gone, nor for one
that is silent for so long that it counts as hung: others are to have its work. It looks
after the workers of its own service alone.
"""

from __future__ import annotations

import logging
from collections import deque

import psutil

from workflow_worker.board import Board, SlotView
from workflow_worker.broker import claim
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import Rejected, Unavailable
from workflow_worker.settings import Settings

log = logging.getLogger(__name__)

SILENT_SHARE = 1 / 4
"""Part of a lease after which a worker without heartbeat is helped: it renewed its
leases a third of one before its last heartbeat, at the most."""
LOOKS = 12
"""Looks in a lease."""
MOST_NAMES = 4
"""Consumer names of one worker that are known: it takes another one whenever the server
was replaced, and keeps what it had taken before under the former ones."""
_NOT_AT_WORK = frozenset(
    (
        psutil.STATUS_STOPPED,
        psutil.STATUS_TRACING_STOP,
        psutil.STATUS_ZOMBIE,
        psutil.STATUS_DEAD,
    )
)


class Guard:
    """Looks for silent workers.

    Args:
        settings: where Redis is, the lease, and when a worker counts as hung.
        board: who is silent.
    """

    def __init__(self, settings: Settings, board: Board) -> None:
        self._board = board
        self._partition = Partition(settings.workflow_namespace)
        self._link = Link(settings.redis_url)
        self._lease_ms = settings.lease_ms
        self._hang_timeout = settings.hang_timeout_ms / 1000
        self._names: dict[tuple[int, int], deque[str]] = {}
        self._helped: set[int] = set()

    def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                self.look(monotonic())
            except Exception:  # what is wrong here must not end the probes
                log.exception("no leases are renewed for workers that are silent")
            sleep(self._lease_ms / 1000 / LOOKS)

    def look(self, now: float) -> None:
        """Renew for whoever is silent now.

        Args:
            now: monotonic seconds.
        """
        views = [view for view in self._board.views() if view.pid and view.consumer]
        self._remember(views)
        silent = [view for view in views if self._is_silent(view, now)]
        helped = {
            view.index: self._renew(view) for view in silent if _at_work(view.pid)
        }
        if not helped:
            # The next time may be in a week: by then nobody knows what became of it.
            self._link.close()
        self._tell({index for index, renewed in helped.items() if renewed})

    def _is_silent(self, view: SlotView, now: float) -> bool:
        silent = now - view.heartbeat
        limit = self._lease_ms / 1000 * SILENT_SHARE
        return limit < silent <= self._hang_timeout

    def _remember(self, views: list[SlotView]) -> None:
        known, self._names = self._names, {}
        for view in views:
            tenant = view.index, view.generation
            names = known.get(tenant) or deque(maxlen=MOST_NAMES)
            if view.consumer not in names:
                names.append(view.consumer)
            self._names[tenant] = names

    def _renew(self, view: SlotView) -> int:
        """Return how many leases were renewed."""
        renewed = 0
        for name in self._names[view.index, view.generation]:
            try:
                renewed += claim.vouch(
                    self._link, self._partition, name, self._lease_ms
                )
            except (Unavailable, Rejected) as error:
                log.debug("the leases of worker %d wait: %s", view.index, error)
        return renewed

    def _tell(self, helped: set[int]) -> None:
        for index in sorted(helped - self._helped):
            log.warning(
                "worker %d gives no sign of life, but its process is not stopped: "
                "its leases are renewed for it until it counts as hung",
                index,
            )
        self._helped = helped


def _at_work(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in _NOT_AT_WORK
    except psutil.NoSuchProcess:
        return False
