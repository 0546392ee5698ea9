"""What a report says of where it was made: what decides speed, no names, no paths."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from pathlib import Path

import psutil

from marks import burn

CPU_MS = 5.0
"""What CPU-bound work takes."""
PROBE = 2_000
TRIES = 15


def machine() -> dict[str, str | int | float]:
    """Return the machine and the versions that matter."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "redis_py": importlib.metadata.version("redis"),
        "hiredis": importlib.metadata.version("hiredis"),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def iterations() -> int:
    """Return how often to hash for 5 ms on this machine, when nothing else runs."""
    best = float("inf")
    for _ in range(TRIES):
        begin = time.perf_counter()
        burn(PROBE)
        best = min(best, time.perf_counter() - begin)
    return int(PROBE * CPU_MS / 1000 / best)
