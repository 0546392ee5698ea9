"""Disks that are full, where a campaign has put logs and data on disks of its own."""

from __future__ import annotations

from tests.chaos.campaign.faults.striking import Healing, Strike, Table, into

FAULTS: Table = {}


@into(FAULTS, "full-log")
def full_log(strike: Strike) -> Healing | None:
    """An instance's log can't grow."""
    return _fill(strike, strike.instance())


@into(FAULTS, "full-server")
def full_server(strike: Strike) -> Healing | None:
    """The server's file can't grow: it takes no writes, or dies where it must sync."""
    return _fill(strike, "server")


def _fill(strike: Strike, whose: str) -> Healing | None:
    disk = strike.cluster.disk(whose)
    if disk is None:
        return None
    about = "" if whose == "server" else whose
    strike.tell(instance=about)
    disk.fill()
    return strike.lasting(0.5, 3.0, disk.free, instance=about)
