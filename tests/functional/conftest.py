"""What several functional tests begin with."""

from __future__ import annotations

import pytest

from workflow_worker.cli import doctor_checks


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor look twice in quick succession: nothing here grows slowly."""
    monkeypatch.setattr(doctor_checks, "BETWEEN", 0.02)
