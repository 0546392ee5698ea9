"""How often, and how long after, something that failed is tried again.

Owns the declaration, not the arithmetic. Must never decide what an error is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How an action is retried; what is not given is as the settings say.

    Attributes:
        max_retries: tries after the first one; 0 for none. ``MAX_RETRIES``.
        base: seconds or timedelta: upper bound of the first delay, doubled with every
            further one. ``RETRY_BASE_MS``.
        maximum: seconds or timedelta: no delay is longer. ``RETRY_MAX_MS``.
        jitter: a delay is drawn from 0 to its bound; False for the bound itself.
        retry_on: exception classes to retry, though they be permanent otherwise.
        give_up_on: exception classes not to retry, whatever they are otherwise.
    """

    max_retries: int | None = None
    base: float | timedelta | None = None
    maximum: float | timedelta | None = None
    jitter: bool = True
    retry_on: tuple[type[BaseException], ...] = ()
    give_up_on: tuple[type[BaseException], ...] = ()
