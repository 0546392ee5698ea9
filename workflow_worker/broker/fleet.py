"""What the fleet wants: every worker tells its App's routes, and renews them."""

from __future__ import annotations

import hashlib

import msgspec

from workflow_worker.broker import scripts
from workflow_worker.broker.connection import Link
from workflow_worker.broker.keys import Partition
from workflow_worker.model import Route

ROUTES_TTL_MS = 3_600_000
"""How long an App's routes count after the last worker with it renewed them.

Work for a workflow nobody runs is kept for as long: a deploy that went wrong, or an
instance that is away for a while, loses nothing.
"""


def register(link: Link, partition: Partition, routes: tuple[Route, ...]) -> int:
    """Tell the fleet what this App wants; return how many names it now wants in all."""
    table = [[r.workflow, r.names, r.patterns, r.signals] for r in routes]
    text = msgspec.json.encode(table)
    digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    wanted: int = scripts.run(link, "routes", partition, digest, ROUTES_TTL_MS, text)
    return wanted
