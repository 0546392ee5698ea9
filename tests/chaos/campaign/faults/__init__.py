"""Every fault of a campaign by its name."""

from __future__ import annotations

from tests.chaos.campaign.faults import (
    answers,
    links,
    operations,
    pairs,
    processes,
    servers,
    space,
)
from tests.chaos.campaign.faults.striking import Fault, Healing, Table

_SINGLE: Table = {
    **processes.FAULTS,
    **operations.FAULTS,
    **servers.FAULTS,
    **answers.FAULTS,
    **links.FAULTS,
    **space.FAULTS,
}
FAULTS: Table = _SINGLE | pairs.paired(_SINGLE)

__all__ = ["FAULTS", "Fault", "Healing"]
