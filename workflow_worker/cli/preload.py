"""``start --preload``: the App and all a worker imports, once, before any fork.

Owns the one exception from the rule that the master holds nothing: its memory is the
workers' too then. It must never leave a thread behind: a fork copies only one.
"""

from __future__ import annotations

import gc
import importlib
import threading
from pathlib import Path

from workflow_worker import log as logs
from workflow_worker.errors import ConfigurationError

WORKER = "workflow_worker.worker.main"
"""Imports whatever a worker needs."""
_TASKS = Path("/proc/self/task")


def preload(spec: str) -> None:
    """Import the App into this process, for all its children.

    Args:
        spec: ``module:attribute``.

    Raises:
        ConfigurationError: it can't be imported, or its import started a thread.
    """
    # As the documentation of gc.freeze() advises: memory freed before a fork leaves
    # holes that are written to after it; and a collection in a child would write to
    # every object, and so copy it, were they not frozen.
    gc.disable()
    importlib.import_module(WORKER)
    load_app = importlib.import_module("workflow_worker.app").load_app
    with logs.aside():
        load_app(spec)
    _refuse_threads(spec)
    gc.freeze()
    gc.enable()


def _refuse_threads(spec: str) -> None:
    # The system's count: a library in C starts threads that Python does not know.
    tasks = list(_TASKS.iterdir()) if _TASKS.exists() else threading.enumerate()
    count = len(tasks)
    if count == 1:
        return
    main = threading.main_thread()
    names = [thread.name for thread in threading.enumerate() if thread is not main]
    known = f" ({', '.join(names)})" if names else ""
    raise ConfigurationError(
        f"importing {spec} started {count - 1} thread{'s' * (count > 2)}{known}, which"  # noqa: PLR2004 - more than one beside the main thread
        " --preload can't pass on to the workers: start them in"
        " @app.on_worker_start, or leave --preload out"
    )
