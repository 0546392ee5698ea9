"""Has the plots drawn, in the environment that has matplotlib."""

from __future__ import annotations

import subprocess
from pathlib import Path

from environments import environment
from tracks import MeasurementError

REQUIREMENTS = ("matplotlib==3.11.2",)
LIMIT = 120.0


def plot(folder: Path) -> None:
    """Draw the report of a folder into it, or say why there are no plots."""
    script = Path(__file__).with_name("plots.py")
    try:
        python = environment(REQUIREMENTS).python
        command = [str(python), str(script), str(folder)]
        subprocess.run(command, check=True, timeout=LIMIT)
    except (MeasurementError, subprocess.SubprocessError) as error:
        print(f"no plots: {error}")
