"""What every step of the tutorial starts with: an empty folder and a server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import Server, wait_until
from tests.service import Service, until_quiet


class Desk:
    """A folder to work in: ``app.py``, a service that runs it, a terminal beside it."""

    def __init__(self, redis_url: str, folder: Path, db: redis.Redis) -> None:
        self.folder = folder
        self.db = db
        self.service = Service(redis_url, folder, app="app:app", cwd=folder)

    def start(self, code: str) -> None:
        """Save ``app.py`` and run ``wfworker start --app app:app``."""
        (self.folder / "app.py").write_text(code)
        self.service.start()

    def wfworker(self, *arguments: str) -> str:
        """Type a command; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "workflow_worker", *arguments],
            cwd=self.folder,
            env=self.service.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def reads(self, name: str) -> str:
        """Wait until a workflow has written this file, and read it."""
        path = self.folder / name
        return wait_until(lambda: path.exists() and path.read_text(), what=name)

    def record(self, execution_id: str) -> dict[str, str]:
        """What Redis keeps of a finished execution."""
        until_quiet(self.db)
        found = self.db.hgetall("{wf:0}:x:" + execution_id)
        return {name.decode(): value.decode() for name, value in found.items()}


@pytest.fixture
def desk(valkey: Server, db: redis.Redis, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(valkey.url, tmp_path, db)
    with desk.service:
        yield desk
