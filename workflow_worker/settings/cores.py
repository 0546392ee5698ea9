"""How many cores this process may really use.

Owns reading affinity and cgroups. It must never fail: what can't be read does not bind.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path


def usable_cores(root: Path = Path("/"), affinity: int | None = None) -> int:
    """Return how many cores this process may really use, at least 1.

    The scheduler's affinity, and the CPU quota of every cgroup, v1 or v2, that this
    process is in, rounded up.

    Args:
        root: where ``proc`` and ``sys`` are found.
        affinity: cores the scheduler allows; asked for by default.
    """
    cores = _affinity() if affinity is None else affinity
    quotas = [math.ceil(quota) for quota in _quotas(root)]
    return max(1, min([cores, *quotas]))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    mounts = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers:
            for mount in (mounts, mounts / "unified"):
                yield from _limits(mount, path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for name in dict.fromkeys(("cpu", controllers)):
                yield from _limits(mounts / name, path, _quota_v1)


def _limits(
    mount: Path, path: str, read: Callable[[Path], float | None]
) -> Iterator[float]:
    """Read the quota of a cgroup and all above it: each one binds.

    In a container the path may be the host's; what exists of it, at least the mount
    itself, is then the container's own.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts) + 1):
        quota = read(mount.joinpath(*parts[:depth]))
        if quota:
            yield quota


def _quota_v2(group: Path) -> float | None:
    return _ratio(" ".join(_lines(group / "cpu.max")))


def _quota_v1(group: Path) -> float | None:
    files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    return _ratio(" ".join(line for file in files for line in _lines(group / file)))


def _ratio(text: str) -> float | None:
    """Return quota through period; None for ``max``, -1 and what is unreadable."""
    found = re.fullmatch(r"(\d+) ([1-9]\d*)", text)
    return int(found[1]) / int(found[2]) if found else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
