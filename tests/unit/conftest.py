"""What several unit tests begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.pages import Slots


@pytest.fixture
def slots() -> Iterator[Slots]:
    """Three slots; this process counts for none of them afterwards."""
    made = Slots()
    yield made
    made.leave()
