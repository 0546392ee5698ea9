"""Short episodes: real instances under load and faults keep every promise.

The long run is ``make chaos``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.campaign.episode import Episode
from tests.chaos.campaign.plan import Plan
from tests.chaos.campaign.telling import tell

SHORT = [
    Plan(11, "loopback", 3000, 7),
    Plan(12, "links", 3000, 7),
    Plan(13, "everysec", 2000, 4),
    Plan(14, "answers", 2000, 5),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plan", SHORT, ids=lambda plan: plan.profile)
def test_an_episode_keeps_every_promise(plan: Plan, tmp_path: Path) -> None:
    result = Episode(plan, tmp_path).run()
    assert result.good, "\n".join(tell(result, tmp_path))
    assert result.events >= plan.events
    assert result.faults > 0
