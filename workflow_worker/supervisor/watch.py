"""The watcher process of ``--reload``: changed files become a HUP to the master.

Owns which files count. It must never reload anything itself, and is the only place
that imports watchfiles.
"""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

log = logging.getLogger(__name__)

IGNORED = frozenset({"__pycache__", ".git", ".venv", "venv", "node_modules"})
"""Folders whose files are nobody's workflows."""
DEBOUNCE_MS = 300
"""Changes this close together are one: editors write a file in several steps."""
_UNUSABLE = 2


def counts(path: Path) -> bool:
    """Tell whether a change of this file asks for a reload.

    Args:
        path: relative to the working directory.
    """
    if IGNORED.intersection(path.parts):
        return False
    return path.suffix == ".py" or path.name == ".env"


def run_watcher(master: int, directory: Path) -> int:
    """Watch until the master is gone.

    Args:
        master: pid of the process to send HUP.
        directory: watched with everything below it.

    Returns:
        The exit status: 2 if the extra ``reload`` is not installed.
    """
    try:
        from watchfiles import watch  # noqa: PLC0415 - an extra: nobody else needs it
    except ImportError:
        log.error("--reload needs watchfiles: pip install 'workflow-worker[reload]'")  # noqa: TRY400 - foreseen
        return _UNUSABLE
    # At debug it would tell of every file, ours among them.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    changes = watch(
        directory,
        watch_filter=lambda _, path: counts(Path(path).relative_to(directory)),
        debounce=DEBOUNCE_MS,
        rust_timeout=1000,
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    for change in changes:
        if os.getppid() != master:
            break
        if change:
            names = sorted({Path(path).name for _, path in change})
            log.info("%s changed: asking for a reload", ", ".join(names[:5]))
            os.kill(master, signal.SIGHUP)
    return os.EX_OK
