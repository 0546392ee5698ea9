"""``wfworker dlq`` against a real service: look, mend, retry; or give up and purge."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from click.testing import Result

from tests.servers import Server, wait_until
from tests.service import Service, until_quiet
from tests.unit.cli import commands

APP = """
from pathlib import Path
from workflow_worker import App, Context, Event, PermanentError

app = App("shop")


@app.action
def charge(order: str) -> str:
    with Path("charged").open("a") as file:
        file.write(order + "\\n")
    return "paid"


@app.action
def ship(order: str) -> str:
    raise PermanentError(f"no parcel for {order}")


@app.workflow(on="order.placed")
def fulfil(ctx: Context, event: Event) -> str:
    return charge(event.key) + " " + ship(event.key)
"""
MENDED = APP.replace('raise PermanentError(f"no parcel for {order}")', 'return "sent"')


@pytest.fixture
def shop(valkey: Server, db: redis.Redis, tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "shop.py").write_text(APP)
    with Service(valkey.url, tmp_path, app="shop:app", cwd=tmp_path) as service:
        yield service.start()


def order(service: Service, db: redis.Redis, *keys: str) -> None:
    with service.client() as client:
        client.publish_many({"name": "order.placed", "key": k, "id": k} for k in keys)
    until_quiet(db)


def run(service: Service, *arguments: str) -> Result:
    return commands.run("dlq", *arguments, "--redis-url", service.redis_url)


def listed(service: Service, *arguments: str) -> list[dict[str, object]]:
    found = json.loads(run(service, "list", "--json", *arguments).stdout)
    letters: list[dict[str, object]] = found["deadLetters"]
    return letters


class Terminal:
    """The command in a process whose stdin is a terminal."""

    def __init__(self, service: Service, *arguments: str) -> None:
        self.keys, its = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workflow_worker", "dlq", *arguments],
            env=os.environ | {"REDIS_URL": service.redis_url},
            stdin=its,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.close(its)

    def end(self, typed: str = "") -> tuple[int, str, str]:
        """Type something, and return the status and what was said at the end."""
        os.write(self.keys, typed.encode())
        out, err = self.process.communicate(timeout=30)
        os.close(self.keys)
        return self.process.returncode, out.decode(), err.decode()


def test_after_a_fix_it_goes_on_where_it_failed(shop: Service, db: redis.Redis) -> None:
    order(shop, db, "o-1", "o-2")
    one, two = sorted(listed(shop), key=lambda each: str(each["executionId"]))
    assert [one["executionId"], two["executionId"]] == ["0-o-1.fulfil", "0-o-2.fulfil"]
    assert str(one["errorType"]).endswith("PermanentError")
    shown = run(shop, "show", str(one["id"]))
    assert "no parcel for o-1" in shown.stdout
    assert "in ship" in shown.stdout
    assert f"wfworker dlq retry {one['id']}" in shown.stdout

    (shop.folder / "shop.py").write_text(MENDED)
    assert shop.stop() == 0
    shop.start()
    done = run(shop, "retry", str(one["id"]))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("1 dead letter retried; executions going on: 1")
    until_quiet(db)
    with shop.client() as client:
        assert client.execution("0-o-1.fulfil").result == "paid sent"
        assert client.execution("0-o-2.fulfil").status == "failed"
    assert run(shop, "retry", "--workflow", "fulfil").exit_code == 0
    until_quiet(db)
    with shop.client() as client:
        assert client.execution("0-o-2.fulfil").result == "paid sent"
    assert sorted((shop.folder / "charged").read_text().split()) == ["o-1", "o-2"]
    assert listed(shop) == []


def test_letters_are_chosen_by_what_they_say(shop: Service, db: redis.Redis) -> None:
    order(shop, db, "o-1", "o-2", "o-3")
    db.xadd("{wf:0}:events", {"this is": "no event"})
    until_quiet(db)
    ids = [str(each["id"]) for each in listed(shop)]
    assert len(ids) == 4
    assert len(listed(shop, "--error", "PermanentError")) == 3
    assert len(listed(shop, "--error", "Permanent")) == 0
    assert len(listed(shop, "--error", "InvalidEvent")) == 1
    assert listed(shop, "--older-than", "1h") == []
    assert [each["id"] for each in listed(shop, "--limit", "2")] == ids[:2]
    table = run(shop, "list", "--limit", "3")
    assert len(table.stdout.splitlines()) == 4
    assert table.stderr == "1 dead letter more: see --limit\n"
    some = run(shop, "list", ids[3], ids[0], "1-1")
    assert [line.split()[0] for line in some.stdout.splitlines()[1:]] == [
        ids[3],
        ids[0],
    ]
    assert (some.exit_code, some.stderr.count("\n")) == (1, 1)
    assert "no dead letter 1-1" in some.stderr


def test_what_is_not_there_is_status_1(shop: Service, db: redis.Redis) -> None:
    for ask in (["show", "1-1"], ["retry", "1-1"], ["purge", "1-1", "--yes"]):
        result = run(shop, *ask)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert "no" in result.stderr
        assert "1-1" in result.stderr
    none = run(shop, "retry", "--all")
    assert (none.exit_code, none.stdout.split("\n")[0]) == (
        0,
        "0 dead letters retried; executions going on: 0",
    )


def test_a_purge_asks_and_says_what_it_removed(shop: Service, db: redis.Redis) -> None:
    order(shop, db, "o-1", "o-2")
    status, _, err = Terminal(shop, "purge", "--all").end("n\n")
    assert "Remove 2 dead letters and the failed executions behind them?" in err
    assert (status, len(listed(shop))) == (1, 2)
    status, out, _ = Terminal(shop, "purge", "--all").end("y\n")
    assert status == 0
    assert out.split("\n")[:2] == [
        "2 dead letters purged; executions removed: 2",
        "  fulfil  2",
    ]
    assert listed(shop) == []
    assert db.keys("{wf:0}:[xj]:*") == []


def test_ctrl_c_stops_a_retry_between_two_letters(
    shop: Service, db: redis.Redis
) -> None:
    order(shop, db, "o-1", "o-2", "o-3")
    (shop.folder / "shop.py").write_text(MENDED)
    assert shop.stop() == 0
    slow = Terminal(shop, "retry", "--all", "--rate", "0.001")
    wait_until(lambda: db.xlen("{wf:0}:dead") == 2)
    slow.process.send_signal(signal.SIGINT)
    status, out, err = slow.end()
    assert status == 1
    assert out.startswith("1 dead letter retried; executions going on: 1")
    assert "stopped before the end" in err
    shop.start()
    assert run(shop, "retry", "--all").exit_code == 0
    until_quiet(db)
    assert db.zcard("{wf:0}:by-status:completed") == 3
    assert sorted((shop.folder / "charged").read_text().split()) == [
        "o-1",
        "o-2",
        "o-3",
    ]
