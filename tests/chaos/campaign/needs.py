"""What a profile needs of this machine: hosts and disks want root, clocks a library."""

from __future__ import annotations

import os
import shutil

from tests.chaos.campaign.faults.clocks import library
from tests.chaos.campaign.hosts import can_make_hosts
from tests.chaos.campaign.profiles import PROFILES


def lacking(profile: str) -> str:
    """Say what this machine has not; nothing if the profile can run."""
    shape = PROFILES[profile]
    if shape.hosts and not can_make_hosts():
        return "network namespaces need root and the command ip"
    if shape.disks and not (os.geteuid() == 0 and shutil.which("unshare")):
        return "disks of its own need root and the command unshare"
    if shape.clock and library() is None:
        return "wrong clocks need the Debian package faketime"
    return ""
