"""Values as people read them."""

from __future__ import annotations

import pytest

from workflow_worker.cli.text import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    lasting,
    listed,
    numbered,
    sized,
    span,
)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0.000_04, "0 ms"),
        (0.043, "0.043 ms"),
        (12.3, "12 ms"),
        (1500, "1.5 s"),
        (-90e3, "-90.0 s"),
        (3 * MINUTE_MS, "3 min"),
        (2 * HOUR_MS, "2 h"),
        (7 * DAY_MS, "7 d"),
    ],
)
def test_durations_have_the_unit_that_suits(ms: float, text: str) -> None:
    assert lasting(ms) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0.0s"),
        (59_900, "59.9s"),
        (60_000, "1m00s"),
        (3_599_000, "59m59s"),
        (3_600_000, "1h00m"),
        (90_000_000, "1d01h"),
    ],
)
def test_in_columns_they_have_two_units(ms: int, text: str) -> None:
    assert span(ms) == text


def test_sizes_and_lists_are_short() -> None:
    assert (sized(10), sized(2**20 * 3 / 2)) == ("10 bytes", "1.5 MB")
    assert listed("gfedcba") == "a, b, c, d, e and 2 more"


def test_one_is_not_many() -> None:
    assert (numbered(1, "event"), numbered(1200, "event")) == (
        "1 event",
        "1,200 events",
    )
    assert numbered(2, "inbox", "inboxes") == "2 inboxes"
