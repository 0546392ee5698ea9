"""A virtual environment per set of pinned requirements, made on first use in .bench/.

What is measured there never becomes a dependency of the project.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tracks import MeasurementError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".bench"
LIMIT = 900.0
"""Seconds that an installation may take."""


@dataclass(frozen=True)
class Environment:
    """Where a contender's packages are.

    Attributes:
        python: its interpreter.
    """

    python: Path


def environment(requirements: tuple[str, ...]) -> Environment:
    """Return the environment that has these, made if it is not there.

    Without requirements it is the one that runs this.

    Raises:
        MeasurementError: it could not be installed.
    """
    if not requirements:
        return Environment(Path(sys.executable))
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:8]
    first = re.split(r"[^\w.-]", requirements[0])[0]
    folder = FOLDER / f"{first}-{digest}"
    made = Environment(folder / "bin" / "python")
    ready = folder / ".ready"
    if not ready.exists():
        _run("could not make", sys.executable, "-m", "venv", "--clear", str(folder))
        pip = str(made.python), "-m", "pip", "install", "--disable-pip-version-check"
        _run("could not install", *pip, "--quiet", *requirements)
        ready.touch()
    return made


def _run(what: str, *command: str) -> None:
    try:
        subprocess.run(command, check=True, timeout=LIMIT, capture_output=True)
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{what} in {LIMIT:g} s: {' '.join(command)}") from error
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode("utf-8", "replace")[-300:].split())
        raise MeasurementError(f"{what}: {' '.join(command)}: {said}") from error
