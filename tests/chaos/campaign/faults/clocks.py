"""A wrong clock for one process and all its children: hours off, and only theirs.

libfaketime is loaded before everything else and moves the wall clock; the monotonic one
is left alone, as on a machine whose clock is wrong. The machine's own clock is never
touched.
"""

from __future__ import annotations

import os
from pathlib import Path

LIBRARY = "libfaketimeMT.so.1"
AWRY = Path(__file__).parent / "awry"


def library() -> Path | None:
    """Where the Debian package ``faketime`` puts it; None if it is not installed."""
    return next(iter(sorted(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}"))), None)


def off_by(hours: float) -> dict[str, str]:
    """Return the environment of a process whose clock is off by so many hours.

    Raises:
        FileNotFoundError: libfaketime is not installed.
    """
    found = library()
    if found is None:
        message = f"{LIBRARY} is missing: install the Debian package faketime"
        raise FileNotFoundError(message)
    path = os.environ.get("PYTHONPATH")
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME": f"{hours * 3600:+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Times of files would be moved as well, those of the code itself among them.
        "NO_FAKE_STAT": "1",
        "PYTHONPATH": f"{AWRY}{os.pathsep}{path}" if path else str(AWRY),
    }
