"""A client for the commands that talk to Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow_worker.cli.options import Flags
from workflow_worker.settings import load

if TYPE_CHECKING:
    from workflow_worker.client import Client


def connected(flags: Flags, timeout: float = 5.0) -> Client:
    """Return a client for these flags, to be closed.

    Args:
        flags: where to connect.
        timeout: seconds to connect and to wait for an answer.

    Raises:
        ConfigurationError: a setting has a bad value.
    """
    from workflow_worker.client import Client  # noqa: PLC0415 - redis, only when needed

    settings = load(flags)
    return Client(settings.redis_url, settings.workflow_namespace, timeout=timeout)
