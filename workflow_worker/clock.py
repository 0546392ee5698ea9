"""The only place that reads clocks; everybody else is handed one.

Intervals are monotonic seconds. Stored times are wall-clock milliseconds since the
epoch, and those that decide something come from the Redis server's clock instead.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

monotonic = time.monotonic
"""Seconds on a clock that never jumps; the same for all processes of a host."""

sleep = time.sleep
"""Suspend this thread for some seconds."""


def wall_ms() -> int:
    """Return this host's wall clock in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def timestamp(at_ms: int | None = None) -> str:
    """Return ISO 8601 in UTC with milliseconds and ``Z``; of now by default."""
    ms = wall_ms() if at_ms is None else at_ms
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"
