"""What all children need, imported once by the master: they start faster, and share it.

Owns the choice of what that is: modules of the standard library, and those of this
package that need neither redis nor flask. No reload brings other versions of them. It
must never name anybody else's: they are imported after the fork, so that a reload gets
what is installed then.
"""

from __future__ import annotations

import gc
import importlib

SERVICE = ("workflow_worker.supervisor.service",)
"""The master's own."""
PACKAGE = (
    "workflow_worker.broker.keys",
    "workflow_worker.metrics.page",
    "workflow_worker.runtime.execute",
    "workflow_worker.runtime.route",
)
# Imported by redis, prometheus_client, opentelemetry or flask.
STANDARD_LIBRARY = (
    "asyncio",
    "concurrent.futures.thread",
    "csv",
    "http.server",
    "importlib.metadata",
    "importlib.resources",
    "pickle",
    "queue",
    "ssl",
    "timeit",
    "urllib.request",
    "wsgiref.simple_server",
)


def share() -> None:
    """Import it; nothing of it starts a thread or opens a connection."""
    for name in SERVICE + PACKAGE + STANDARD_LIBRARY:
        importlib.import_module(name)
    # Else the first full collection in a child would copy all of it.
    gc.freeze()
