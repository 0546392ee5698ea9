"""How long an entry that is put back stays away."""

from __future__ import annotations

from statistics import mean

import pytest

from workflow_worker.model import PutBack, Task
from workflow_worker.worker.putback import FIRST_MS, delay_ms


def put_back(waited_ms: int, why: PutBack = PutBack.UNKNOWN) -> Task:
    return Task("1-0", 1, 1, "0-1-0.w", "w", None, waited_ms=waited_ms, put_back=why)


@pytest.mark.parametrize(
    ("waited_ms", "share", "expected"),
    [
        pytest.param(0, 1.0, FIRST_MS, id="the first time"),
        pytest.param(4000, 1.0, 4000, id="as long again"),
        pytest.param(4000, 0.25, 1000, id="by a share"),
        pytest.param(400, 0.25, FIRST_MS, id="never below the first"),
        pytest.param(90_000, 1.0, 30_000, id="the most"),
    ],
)
def test_the_delay_grows_with_the_wait(
    waited_ms: int, share: float, expected: int
) -> None:
    task = put_back(waited_ms)
    delays = [delay_ms(task, PutBack.UNKNOWN, 30_000, share) for _ in range(2000)]
    assert min(delays) >= expected // 2
    assert max(delays) <= expected * 1.5
    # Half of it more or less, evenly: a mean of 2,000 is within 3 % of the middle.
    assert abs(mean(delays) - expected) < expected * 0.03


def test_a_wait_for_another_reason_does_not_count() -> None:
    task = put_back(20_000, PutBack.SUSPECT)
    assert delay_ms(task, PutBack.UNKNOWN, 30_000) <= FIRST_MS * 1.5
