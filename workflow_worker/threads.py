"""Our own threads: if one dies, the process does.

A worker that lost its committer, or one thread of its pool, would go on renewing leases
on work that nobody finishes. A dead process is noticed and replaced.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from setproctitle import setthreadtitle

log = logging.getLogger(__name__)

BROKEN = 70
"""Exit status of a process that one of its own threads ended."""
UNREADY = 75
"""Exit status of a worker whose ``on_worker_start`` failed; the next may do better."""


def spawn(name: str, work: Callable[[], None]) -> threading.Thread:
    """Start a thread that the process can't do without.

    The system calls it by its name, too: in ``top -H``, ``ps -L`` and ``/proc``.
    """

    def run() -> None:
        setthreadtitle(name)
        try:
            work()
        except BaseException:
            log.critical("thread %s died; its process ends", name, exc_info=True)
            logging.shutdown()
            os._exit(BROKEN)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
