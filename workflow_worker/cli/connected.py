"""A client for the commands that talk to Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow_worker.cli.options import Flags
from workflow_worker.settings import load

if TYPE_CHECKING:
    from workflow_worker.client import Client


def connected(flags: Flags) -> Client:
    """Return a client for these flags, to be closed.

    Raises:
        ConfigurationError: a setting has a bad value.
    """
    from workflow_worker.client import Client  # noqa: PLC0415 - redis, only when needed

    settings = load(flags)
    return Client(redis_url=settings.redis_url, namespace=settings.workflow_namespace)
