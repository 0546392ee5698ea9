"""Durations and instants as users write them, to the milliseconds that are stored."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_MS = 100_000_000_000_000
"""Three thousand years: Redis keeps times as floats, exact only up to some size."""


def milliseconds(given: object, what: str) -> int:
    """Return seconds or a timedelta in ms, rounded up; what is negative counts as 0.

    Raises:
        ValueError: it is neither, NaN or infinite.
    """
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or (isinstance(seconds, float) and not math.isfinite(seconds))
    ):
        raise ValueError(f"{what} must be seconds or a timedelta, not {given!r}")
    ms = min(max(0, seconds * 1000), _LONGEST_MS)
    # Floats miss most decimals by a little, which is not another millisecond.
    return math.ceil(round(ms, 6))


def instant(given: object, what: str) -> int:
    """Return an aware datetime in ms since the epoch, rounded up.

    Raises:
        ValueError: it is naive, or no datetime.
    """
    if not isinstance(given, datetime) or given.utcoffset() is None:
        raise ValueError(f"{what} must be a datetime with a time zone, not {given!r}")
    return -((_EPOCH - given) // timedelta(milliseconds=1))


def at(ms: int) -> datetime:
    """Return ms since the epoch as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=ms)
