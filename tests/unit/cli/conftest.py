"""A place without settings, for every test of a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_worker.settings import table


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in an empty working directory, with no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for row in table():
        monkeypatch.delenv(row.env, raising=False)
