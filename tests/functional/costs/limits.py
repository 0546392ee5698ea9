"""What an event may cost: as much as when ``limits.json`` was written, and hardly more.

``python -m tests.functional.costs.limits`` measures anew and writes that file; whoever
made something dearer on purpose says so by the lines that change in it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from tests.servers import server

FILE = Path(__file__).with_name("limits.json")
ROOM = {"instructions": 1.003, "commands": 1.002, "round trips": 1.002}
"""By how much a figure may exceed what is written."""
OTHERWISE = 1.02
"""For bytes: ids and clocks have more digits in one run than in another."""
LEAST = 0.02
"""No figure of those is held to less, and what an object allocates once is no leak."""
ELSEWHERE = 1.3
"""For instructions of another Python or redis-py than those that were counted."""

Figures = dict[str, dict[str, float]]
"""By course of events and kind of cost, for one event."""


def measured(redis_url: str) -> Figures:
    """Measure in a process of its own, where nothing else was ever imported."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.functional.costs.measure", redis_url],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,  # its last words say more than its status
    )
    assert done.returncode == 0, done.stderr
    found: Figures = json.loads(done.stdout)
    return found


def dearer(found: Figures) -> list[str]:
    """Return a sentence for each figure that is above what is written."""
    written = json.loads(FILE.read_text("utf-8"))
    same = written["counted with"] == counted_with()
    return [
        f"{course}: {found[course][kind]:.3f} {kind}, {FILE.name} has {cost:.3f}"
        for course, costs in written["costs"].items()
        for kind, cost in costs.items()
        if found[course][kind] > _most(kind, cost, same=same)
    ]


def _most(kind: str, cost: float, *, same: bool) -> float:
    if kind == "instructions" and not same:
        return cost * ELSEWHERE
    return cost * ROOM[kind] if kind in ROOM else max(cost * OTHERWISE, LEAST)


def counted_with() -> dict[str, str]:
    """Whose code, beside ours, the instructions are of."""
    return {"python": platform.python_version(), "redis": metadata.version("redis")}


def write() -> None:
    """Measure, and write what was found."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server("valkey-9", Path(folder)) as running,
    ):
        found = measured(running.url)
    costs = {
        course: {kind: round(cost, 3) for kind, cost in each.items()}
        for course, each in found.items()
    }
    text = json.dumps({"counted with": counted_with(), "costs": costs}, indent=2)
    FILE.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write()
