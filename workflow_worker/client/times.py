"""Times that callers give: seconds, timedeltas, aware datetimes."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

LONGEST = 100 * 365 * 86_400
"""Seconds; the longest delay, about 100 years."""


def seconds(value: object, what: str) -> float:
    """Return a duration in seconds; a negative one is 0.

    Args:
        value: number of seconds, or a timedelta.
        what: names the value in errors.

    Raises:
        ValueError: it is neither, or not finite.
    """
    if isinstance(value, timedelta):
        return max(0.0, value.total_seconds())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(  # noqa: TRY004 - one error for all that can't be a duration
            f"{what} must be seconds or a timedelta, not {value!r}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what} must be finite, not {value!r}")
    return float(min(max(0, value), 2**62))  # an int may be too large for a float


def delay_ms(value: object) -> int:
    """Return a delay in ms, rounded up, so that none becomes nothing.

    Raises:
        ValueError: it is no duration, or longer than about 100 years.
    """
    found = seconds(value, "delay")
    if found > LONGEST:
        raise ValueError(f"delay may be {LONGEST} seconds at most, not {value!r}")
    return math.ceil(round(found * 1000, 3))


def at_ms(value: object) -> int:
    """Return an instant as ms since the epoch.

    Raises:
        ValueError: it is no datetime, or one without timezone.
    """
    if not isinstance(value, datetime):
        raise ValueError(  # noqa: TRY004 - likewise
            f"at must be a datetime, not {value!r}"
        )
    if value.utcoffset() is None:
        raise ValueError(
            f"at must be aware, but {value!r} has no timezone: which noon is meant?"
        )
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, math.ceil((value - epoch) / timedelta(milliseconds=1)))
