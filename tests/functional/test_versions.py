"""Code that changes under running executions: versions, on one and on two instances."""

from __future__ import annotations

from pathlib import Path

import redis

from tests.servers import Server, wait_until
from tests.service import Service, until_quiet

VERSION = """
@app.workflow(on="placed", name="fulfil", version="{version}", signals="packed")
def fulfil_{version}(ctx: Context) -> str:
    ctx.wait_for("packed")
    return "by version {version}"
"""


def app_of(folder: Path, name: str, *versions: int) -> str:
    """Write an App with these versions of one workflow; the last is the current one."""
    code = "from workflow_worker import App, Context\n\napp = App('shop')\n"
    code += "".join(VERSION.format(version=version) for version in versions)
    (folder / f"{name}.py").write_text(code)
    return f"{name}:app"


def test_who_began_with_one_version_ends_with_it_after_a_deploy(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    old, new = app_of(tmp_path, "old", 1), app_of(tmp_path, "new", 1, 2)
    with Service(valkey.url, tmp_path, old, cwd=tmp_path) as service:
        service.start()
        with service.client() as client:
            client.publish("placed", key="a", id="a")
            wait_until(lambda: client.executions(status="waiting"))
        assert service.stop() == 0
    with Service(valkey.url, tmp_path, new, cwd=tmp_path) as service:
        service.start()
        with service.client() as client:
            client.publish("placed", key="b", id="b")
            client.publish("packed", key="a")
            client.publish("packed", key="b")
            assert client.wait("0-a.fulfil", 20) == "by version 1"
            assert client.wait("0-b.fulfil", 20) == "by version 2"
            assert client.execution("0-a.fulfil").version == "1"


def test_two_instances_finish_each_its_own_version(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    old, new = app_of(tmp_path, "old", 1), app_of(tmp_path, "new", 2)
    keys = [f"k{n}" for n in range(30)]
    with (
        Service(valkey.url, tmp_path, old, cwd=tmp_path, RETRY_MAX_MS="1000") as first,
        Service(valkey.url, tmp_path, new, cwd=tmp_path, RETRY_MAX_MS="1000") as second,
    ):
        first.start()
        second.start()
        with first.client() as client:
            for key in keys:
                client.publish("placed", key=key, id=key)
            wait_until(lambda: len(client.executions(status="waiting")) == len(keys))
            began = {e.key: e.version for e in client.executions(status="waiting")}
            for key in keys:
                client.publish("packed", key=key)
            # Whoever takes a wake of the other's version puts it back.
            until_quiet(db)
            for key in keys:
                result = client.wait(f"0-{key}.fulfil", 20)
                assert result == f"by version {began[key]}"
        assert set(began.values()) == {"1", "2"}
