"""Calls to the ``on_dead_letter`` hooks, in a thread of their own.

Owns that a slow hook holds up no commit: what it has not come to is kept up to a limit,
and dropped beyond it. Must never promise more: nothing is stored.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterable

from workflow_worker.app.hooks import DeadLetterNotice, Hooks
from workflow_worker.broker.commit import Item, Landed
from workflow_worker.clock import monotonic
from workflow_worker.threads import spawn

log = logging.getLogger(__name__)

MOST = 1000
"""Calls that may be outstanding; each holds its event."""


class Notices:
    """Tells hooks of dead letters, one after the other.

    Args:
        hooks: of the App.
    """

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._queue: queue.Queue[DeadLetterNotice | None] = queue.Queue(MOST)

    def start(self) -> None:
        """Start the thread."""
        self._thread = spawn("notices", self._run)

    def committed(self, items: Iterable[tuple[Item, Landed]]) -> None:
        """Take the dead letters among what was committed; returns at once."""
        dropped = 0
        for (task, decision), landed in items:
            notice = DeadLetterNotice.of(task, decision)
            if notice is None or landed is not Landed.COMMITTED:
                continue
            try:
                self._queue.put_nowait(notice)
            except queue.Full:
                dropped += 1
        if dropped:
            log.warning(
                "on_dead_letter is too slow: not called for %d dead letters, %d wait",
                dropped,
                MOST,
            )

    def end(self, until: float) -> None:
        """Make the calls that are outstanding, as far as there is time.

        Args:
            until: monotonic seconds.
        """
        try:
            self._queue.put(None, timeout=max(until - monotonic(), 0.0))
        except queue.Full:
            pass
        else:
            self._thread.join(max(until - monotonic(), 0.0))
        if self._thread.is_alive():
            log.warning("on_dead_letter did not end in time: calls are dropped")

    def _run(self) -> None:
        while (notice := self._queue.get()) is not None:
            self._hooks.run_dead_letter(notice)
