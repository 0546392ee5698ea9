"""How long to wait before something that failed is tried again.

Owns the arithmetic. Pure: chance comes in as a number from 0 to below 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from workflow_worker.app.retry import RetryPolicy
from workflow_worker.errors import ErrorCategory
from workflow_worker.runtime.classify import Verdict

TRANSIENT_MS = 5
"""Bound of the second try's delay after a transient error; the first has none."""
TRANSIENT_MOST_MS = 20
"""So long a thread may wait without anybody missing it."""
_MOST_DOUBLINGS = 62
"""Any more would only make a large number larger."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How something is retried, in numbers; the defaults are those of the settings.

    Attributes:
        max_retries: tries after the first one.
        base_ms: bound of the first delay.
        maximum_ms: bound of every delay.
        jitter: a delay is drawn from 0 to its bound; False for the bound itself.
    """

    max_retries: int = 3
    base_ms: int = 1000
    maximum_ms: int = 30_000
    jitter: bool = True


def limits(policy: RetryPolicy | None, otherwise: Retries) -> Retries:
    """Return what a policy says, and the rest as it is otherwise.

    A base that is longer than the longest delay otherwise is the longest then. Where
    there is no jitter otherwise, no policy brings any in.
    """
    if policy is None:
        return otherwise
    most = policy.max_retries
    base_ms = _ms(policy.base, otherwise.base_ms)
    longest_ms = otherwise.maximum_ms
    if policy.base is not None:
        longest_ms = max(longest_ms, base_ms)
    return Retries(
        otherwise.max_retries if most is None else most,
        base_ms,
        _ms(policy.maximum, longest_ms),
        policy.jitter and otherwise.jitter,
    )


def next_ms(
    policy: Retries,
    retry: int,
    verdict: Verdict,
    chance: float,
    left_ms: int | None = None,
) -> int | None:
    """Return in how many ms to try again; None where that would be of no use.

    Args:
        policy: of what failed.
        retry: which try after the first one this is, from 1.
        verdict: on the error; transient or recoverable.
        chance: from 0 to below 1.
        left_ms: until nobody waits for it any more; None for no end.
    """
    if verdict.category is ErrorCategory.TRANSIENT:
        delay = transient_ms(retry, chance)
    else:
        delay = delay_ms(policy, retry, chance, verdict.retry_after_ms)
    return None if left_ms is not None and delay >= left_ms else delay


def delay_ms(
    policy: Retries, retry: int, chance: float, retry_after_ms: int | None = None
) -> int:
    """Return the delay before a retry: exponential backoff with full jitter.

    Evenly distributed from 0 to ``min(maximum, base * 2 ** (retry - 1))``. What failed
    together is then tried again spread out as far as can be; see Marc Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Where the other side said how long to stay away, it is that and up to one base more:
    whoever was told the same would else come back together.

    Args:
        policy: bounds.
        retry: from 1.
        chance: from 0 to below 1.
        retry_after_ms: what the other side said.
    """
    if retry_after_ms is not None:
        return retry_after_ms + round(policy.base_ms * chance)
    doublings = min(retry - 1, _MOST_DOUBLINGS)
    bound: int = min(policy.maximum_ms, policy.base_ms << doublings)
    return round(bound * chance) if policy.jitter else bound


def transient_ms(retry: int, chance: float) -> int:
    """Return how long a thread waits after a transient error: first not at all.

    Then full jitter up to 5, 10 and at most 20 ms.
    """
    if retry == 1:
        return 0
    doublings = min(retry - 2, _MOST_DOUBLINGS)
    return int(min(TRANSIENT_MOST_MS, TRANSIENT_MS << doublings) * chance)


def _ms(given: float | timedelta | None, otherwise: int) -> int:
    if given is None:
        return otherwise
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    return max(1, round(seconds * 1000))
