"""What several functional tests begin with."""

from __future__ import annotations

import pytest

from workflow_worker.cli.doctor import checks


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor look twice in quick succession: nothing here grows slowly."""
    monkeypatch.setattr(checks, "BETWEEN", 0.02)
