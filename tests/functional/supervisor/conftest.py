"""Services that end with their test, and leave no process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.supervisor.supervised import GOOD_APP, Service, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    services = []

    def start(plan: str = "work", *, reload: bool = False, **changes: Any) -> Service:
        settings = {"worker_count": 2, "workflow_app": "flows:app", **changes}
        (tmp_path / "settings.json").write_text(json.dumps(settings))
        (tmp_path / "plan").write_text(plan)
        if not (tmp_path / "flows.py").exists():
            (tmp_path / "flows.py").write_text(GOOD_APP)
        services.append(Service(tmp_path, reload=reload))
        return services[-1]

    yield start
    for service in services:
        service.end()


@pytest.fixture
def service(start: Start) -> Service:
    service = start()
    service.until_status("healthy")
    return service
