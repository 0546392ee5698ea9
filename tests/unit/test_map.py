"""The map in docs/internals.rst shows the tree as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import workflow_worker

PACKAGE = Path(workflow_worker.__file__).parent
DOC = PACKAGE.parent / "docs" / "internals.rst"
MAP = DOC.read_text("utf-8").partition("\nThe map\n")[2].partition("\nHow each ")[0]
_, *PARTS = re.split(r"^``([a-z_]+)/``\n\n", MAP, flags=re.MULTILINE)
SECTIONS = dict(zip(PARTS[::2], PARTS[1::2], strict=True))
"""What is said of each folder, by its name; of the package as a whole first."""
SCRIPTS = {"lua/", "parts/"}


@pytest.mark.parametrize("folder", SECTIONS)
def test_every_module_is_on_the_map_and_nothing_else(folder: str) -> None:
    place = PACKAGE if folder == PACKAGE.name else PACKAGE / folder
    modules = {path.name for path in place.glob("[!_]*.py")}
    folders = {f"{path.parent.name}/" for path in place.glob("*/__init__.py")}
    shown = set(re.findall(r"``([a-z_]+(?:\.py|/))``", SECTIONS[folder]))
    assert shown - SCRIPTS == modules | folders
