"""How long to wait before the next try, and that the delays spread as they should."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from workflow_worker import ErrorCategory, RetryPolicy
from workflow_worker.runtime.backoff import (
    Retries,
    delay_ms,
    limits,
    next_ms,
    transient_ms,
)
from workflow_worker.runtime.classify import Verdict

DEFAULTS = Retries()
LATER = Verdict(ErrorCategory.RECOVERABLE, "x")
AT_ONCE = Verdict(ErrorCategory.TRANSIENT, "x")
SAMPLE = 10_000

policies = some.builds(
    Retries,
    max_retries=some.integers(0, 1000),
    base_ms=some.integers(1, 10**9),
    maximum_ms=some.integers(1, 10**12),
    jitter=some.booleans(),
)
retries = some.integers(1, 10**9)
chances = some.floats(0, 1, exclude_max=True)


def distance_from_even(found: list[int], low: int, high: int) -> float:
    """Return how far a sample is from evenly distributed, as Kolmogorov and Smirnov do.

    The greatest distance of the sample's distribution function from the claimed one.
    """
    claimed = [(value - low) / (high - low) for value in sorted(found)]
    count = len(found)
    above = max((i + 1) / count - part for i, part in enumerate(claimed))
    below = max(part - i / count for i, part in enumerate(claimed))
    return max(above, below)


CRITICAL = math.sqrt(-math.log(0.01 / 2) / 2) / math.sqrt(SAMPLE)
"""One of a hundred even samples is farther off than that."""


def spread(draw: Callable[[float], int]) -> list[int]:
    chance = random.Random(20260203)
    return [draw(chance.random()) for _ in range(SAMPLE)]


@pytest.mark.parametrize(
    ("retry", "bound_ms"),
    [(1, 1000), (2, 2000), (3, 4000), (5, 16_000), (6, 30_000), (1000, 30_000)],
)
def test_10_000_delays_are_spread_evenly_from_nothing_to_the_bound(
    retry: int, bound_ms: int
) -> None:
    found = spread(lambda chance: delay_ms(DEFAULTS, retry, chance))
    assert distance_from_even(found, 0, bound_ms) < CRITICAL


def test_10_000_delays_after_a_retry_after_are_spread_over_one_base() -> None:
    found = spread(lambda chance: delay_ms(DEFAULTS, 4, chance, 60_000))
    assert distance_from_even(found, 60_000, 61_000) < CRITICAL


def test_the_measure_of_the_spread_sees_other_distributions() -> None:
    halved = spread(lambda chance: delay_ms(DEFAULTS, 3, chance / 2))
    squared = spread(lambda chance: delay_ms(DEFAULTS, 3, chance**2))
    equal = spread(lambda chance: delay_ms(DEFAULTS, 3, 0.5 + chance / 2))
    for found in (halved, squared, equal):
        assert distance_from_even(found, 0, 4000) > 5 * CRITICAL


@given(policies, retries, chances)
def test_a_delay_is_within_its_bound_whatever_the_numbers(
    policy: Retries, retry: int, chance: float
) -> None:
    found = delay_ms(policy, retry, chance)
    assert 0 <= found <= policy.maximum_ms
    assert found <= policy.base_ms * 2 ** min(retry - 1, 100)


@given(policies, retries, chances, some.integers(0, 86_400_000))
def test_nobody_comes_back_sooner_than_the_other_side_said(
    policy: Retries, retry: int, chance: float, after_ms: int
) -> None:
    found = delay_ms(policy, retry, chance, after_ms)
    assert after_ms <= found <= after_ms + policy.base_ms


def test_without_jitter_a_delay_is_its_bound() -> None:
    policy = Retries(base_ms=100, maximum_ms=1000, jitter=False)
    found = [delay_ms(policy, retry, 0.3) for retry in range(1, 7)]
    assert found == [100, 200, 400, 800, 1000, 1000]


def test_the_first_retry_of_a_transient_error_is_at_once() -> None:
    assert {transient_ms(1, chance / 10) for chance in range(10)} == {0}


@given(retries, chances)
def test_a_transient_error_never_holds_a_thread_for_long(
    retry: int, chance: float
) -> None:
    bound_ms = min(20, 5 * 2 ** min(max(0, retry - 2), 60))
    assert 0 <= transient_ms(retry, chance) <= bound_ms


def test_the_pauses_after_transient_errors_grow_to_their_most() -> None:
    assert [transient_ms(retry, 0.99) for retry in (2, 3, 4, 5)] == [4, 9, 19, 19]


def test_the_category_says_which_delay_it_is() -> None:
    policy = Retries(base_ms=100, jitter=False)
    assert next_ms(policy, 1, AT_ONCE, 0.5) == 0
    assert next_ms(policy, 1, LATER, 0.5) == 100
    told = Verdict(ErrorCategory.RECOVERABLE, "x", retry_after_ms=7000)
    assert next_ms(policy, 1, told, 0.5) == 7050


def test_what_would_come_after_the_end_is_not_tried() -> None:
    policy = Retries(base_ms=100, jitter=False)
    assert next_ms(policy, 1, LATER, 0.5, left_ms=101) == 100
    assert next_ms(policy, 1, LATER, 0.5, left_ms=100) is None
    assert next_ms(policy, 1, AT_ONCE, 0.5, left_ms=0) is None


def test_what_a_policy_leaves_open_is_as_the_settings_say() -> None:
    settings = Retries(7, 70, 700)
    assert limits(None, settings) == settings
    assert limits(RetryPolicy(), settings) == settings
    assert limits(RetryPolicy(0), settings) == Retries(0, 70, 700)
    assert limits(RetryPolicy(jitter=False), settings).jitter is False
    policy = RetryPolicy(2, base=0.5, maximum=timedelta(minutes=1))
    assert limits(policy, settings) == Retries(2, 500, 60_000)


def test_no_policy_brings_in_the_jitter_that_there_is_none_of() -> None:
    assert limits(RetryPolicy(5), Retries(jitter=False)) == Retries(5, jitter=False)


def test_a_base_of_its_own_is_never_cut_by_the_setting() -> None:
    settings = Retries(3, 1000, 30_000)
    assert limits(RetryPolicy(base=60), settings) == Retries(3, 60_000, 60_000)
    assert limits(RetryPolicy(base=5), settings) == Retries(3, 5000, 30_000)
    assert limits(RetryPolicy(maximum=0.2), settings) == Retries(3, 1000, 200)


def test_a_delay_shorter_than_a_millisecond_is_one() -> None:
    assert limits(RetryPolicy(base=0.0001), DEFAULTS).base_ms == 1
