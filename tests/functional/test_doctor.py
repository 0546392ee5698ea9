"""``wfworker doctor`` against servers and services that are really like that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.functional.doctor import Examined
from tests.servers import Server, server, wait_until
from tests.service import Service
from tests.unit.cli import commands
from workflow_worker.broker.connection import Link
from workflow_worker.broker.instances import instances
from workflow_worker.broker.keys import Partition
from workflow_worker.client import Client

quick = pytest.mark.usefixtures("hurried")

LOUD = """
print("the App says this")
from workflow_worker import App, Context, Event

app = App("loud")


@app.workflow(on="go", signals=["stop"])
def waits(ctx: Context, event: Event) -> None:
    ctx.wait_for("stop", timeout=60)
"""


def test_a_running_service_has_nothing_to_do(
    valkey: Server, db: redis.Redis, tmp_path: Path
) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    with Service(valkey.url, tmp_path, app="loud:app", cwd=tmp_path) as service:
        service.start()
        with service.client() as client:
            client.publish("go", key="k")
            wait_until(lambda: client.executions("waiting"))
        link = Link(valkey.url)
        wait_until(
            lambda: [i.status for i in instances(link, Partition("wf"))] == ["healthy"],
            what="the service says that it is healthy",
        )
        link.close()
        done = subprocess.run(
            [sys.executable, "-m", "workflow_worker", "doctor", "--json"],
            cwd=tmp_path,
            env=service.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        # What the App prints does not stand in the JSON.
        found = json.loads(done.stdout)
        assert "the App says this" in done.stderr
        bad = [f for f in found["findings"] if f["severity"] in {"warning", "error"}]
        assert (done.returncode, bad) == (0, [])
        texts = {f["check"]: f["found"] for f in found["findings"]}
        assert texts["services"] == "1 service running"
        assert texts["workers"].startswith("2 workers known")
        assert texts["stuck"] == "none of 1 open execution looked at"
        assert texts["workflows"].endswith("has a worker: waits")


@quick
def test_without_redis_the_rest_is_checked_and_the_status_is_3(tmp_path: Path) -> None:
    url = f"redis://:hunter2@127.0.0.1:{commands.closed()}/0"
    found = Examined(url)
    assert (found.status, found.bad) == (3, {"reach"})
    assert found["app"][0] == "ok"
    assert "Redis can't be reached" in found["reach"][1]
    assert "hunter2" not in found.output


@quick
def test_an_app_that_does_not_import_is_an_error(
    db: redis.Redis, valkey: Server
) -> None:
    found = Examined(valkey.url, "--app", "tests.apps.nowhere:app")
    assert (found.status, found.bad) == (2, {"app"})
    assert "module tests.apps.nowhere was not found" in found["app"][1]
    assert found["reach"][0] == "ok"  # the others go on


@quick
def test_a_bad_setting_is_one_sentence_and_status_2() -> None:
    result = commands.run("doctor", "--lease-ms", "soon")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


@quick
def test_people_get_groups_advice_and_a_sum(valkey: Server, db: redis.Redis) -> None:
    app = ("--app", "tests.apps.plain:app")
    result = commands.run("doctor", "--redis-url", valkey.url, *app)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for group in ("Here", "Redis", "Durability", "Services", "Work", "Executions"):
        assert group in lines
    assert any(line.startswith("  note     persistence: append-only") for line in lines)
    assert "           > If that is too much: CONFIG SET appendfsync" in result.stdout
    assert lines[-1].endswith(" ok")
    assert max(map(len, lines)) <= 100


@quick
def test_what_a_server_is_set_to_is_judged(own_server: Server) -> None:
    with own_server.client() as client:
        client.config_set("appendfsync", "no")
        client.config_set("maxmemory-policy", "volatile-lru")
        client.config_set("maxmemory", "100mb")
        found = Examined(own_server.url)
        assert (found.status, found.bad) == (1, {"eviction", "persistence"})
        client.config_set("appendfsync", "always")
        client.config_set("maxmemory-policy", "allkeys-lru")
        found = Examined(own_server.url)
        assert (found.status, found.bad) == (2, {"eviction"})
        assert found["persistence"][0] == found["memory"][0] == "ok"
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 30_000)
        assert Examined(own_server.url).bad == {"memory"}
        client.config_set("maxmemory", 0)
        client.config_set("appendonly", "no")
        found = Examined(own_server.url)
        assert found["persistence"][0] == "error"
        client.config_set("save", "3600 1")
        client.set("x", 1)
        found = Examined(own_server.url)
        assert found["persistence"][0] == "warning"
        assert "change" in found["persistence"][1]
        client.config_set("min-replicas-to-write", 1)
        assert Examined(own_server.url)["replication"][0] == "error"


@quick
def test_what_the_server_was_slow_at_is_told(tmp_path: Path) -> None:
    options = ("--enable-debug-command", "yes", "--latency-monitor-threshold", "10")
    with (
        server("valkey-9", tmp_path, *options) as own_server,
        own_server.client() as client,
        Client(own_server.url, "t") as ours,
    ):
        client.config_set("slowlog-log-slower-than", 0)
        client.execute_command("DEBUG", "SLEEP", "0.3")
        client.eval("return 1", 1, "{other:0}:")
        found = Examined(own_server.url)
        assert (found.status, found.bad) == (1, {"stalls"})
        assert "within the last hour: command " in found["stalls"][1]
        assert found["slow scripts"][0] == "ok"  # these were not of ours
        ours.started_by("go")
        severity, text = Examined(own_server.url)["slow scripts"]
        assert severity == "note"
        assert "of ours in the slow log of the last hour" in text


@quick
def test_a_user_who_may_not_ask_gets_the_other_checks(own_server: Server) -> None:
    with own_server.client() as client:
        client.execute_command(
            "ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all",
            *("-config", "-slowlog", "-latency"),
        )  # fmt: skip
        url = own_server.url.replace("//", "//limited:pw@")
        found = Examined(url)
        assert (found.status, found.bad) == (0, set())
        for check in ("stalls", "slow scripts", "idle connections"):
            assert found[check][0] == "note"
            assert "is not permitted" in found[check][1]
        assert "appendfsync is not told" in found["persistence"][1]

        client.execute_command(
            "ACL", "SETUSER", "limited", "resetkeys", "~{other:0}:*", "-info", "-xclaim"
        )
        found = Examined(url)
        assert found.status == 2
        assert found["permissions"][0] == "error"
        assert "EVALSHA" in found["permissions"][1]  # not on these keys
        assert "INFO is not permitted" in found["version"][1]
        client.execute_command("ACL", "SETUSER", "limited", "allkeys")
        assert Examined(url)["permissions"][1].endswith("for these keys: INFO, XCLAIM")
        wrong = Examined(url.replace("pw@", "guess-123@"))
        assert wrong.status == 3
        assert "guess-123" not in wrong.output


@quick
def test_a_replica_is_refused_and_its_primary_told_what_a_failover_loses(
    own_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    options = ("--replicaof", f"127.0.0.1 {own_server.port}")
    folder = tmp_path_factory.mktemp("replica")
    with own_server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
        with server("valkey-9", folder, *options) as replica:
            wait_until(lambda: client.info("replication")["connected_slaves"] == 1)
            found = Examined(replica.url)
            assert found.status == 2
            assert found["role"] == ("error", "a read-only replica of 127.0.0.1")
            wait_until(
                lambda: client.info("replication")["slave0"]["state"] == "online"
            )
            found = Examined(own_server.url)
            assert found["replication"] == (
                "note",
                "1 replica, writes wait for none of them",
            )
            client.config_set("min-replicas-to-write", 1)
            assert Examined(own_server.url)["replication"][0] == "ok"
