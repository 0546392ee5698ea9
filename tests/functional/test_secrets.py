"""What is nobody's business stays out of logs, process lists, health and errors."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
import redis

from tests.servers import Server, server, wait_until
from tests.service import Service, until_quiet
from workflow_worker.client import Client

USER = "userk3yhole"
PASSWORD = "pa/ss@wordk3yhole:%"  # noqa: S105 - made up
TOKEN = "tok3nhole"  # noqa: S105 - made up
CARD = "c4rdhole"
SECRETS = ("wordk3yhole", TOKEN, CARD)
"""What is left of each secret however it is quoted or encoded."""

OPEN = (
    "/api/health/worker",
    "/api/workers",
    "/livez",
    "/readyz",
    "/metrics",
    "/api/fleet",
)
"""Paths of HTTP that tell of no execution."""
APP = "tests.apps.secretive:app"
ENV = {
    "WORKER_COUNT": "1",
    "HTTP_TOKEN": TOKEN,
    "LOG_LEVEL": "debug",
    "RETRY_BASE_MS": "20",
    "RETRY_MAX_MS": "50",
    "METRICS_REPORTING_INTERVAL_MS": "200",
}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    """A server that wants a user and a password."""
    acl = tmp_path / "users.acl"
    acl.write_text(f"user default on nopass ~* &* +@all\n{rule(PASSWORD)}\n")
    with server("valkey-9", tmp_path, "--aclfile", str(acl)) as running:
        yield running


def rule(password: str) -> str:
    return f"user {USER} on >{password} ~* &* +@all"


def url_of(server: Server, password: str = PASSWORD) -> str:
    return f"redis://{USER}:{quote(password, safe='')}@127.0.0.1:{server.port}/0"


def leaks(text: str, secrets: tuple[str, ...] = (USER, *SECRETS)) -> list[str]:
    """Lines that tell a secret."""
    return [line for line in text.splitlines() if any(s in line for s in secrets)]


def live(client: Client, db: redis.Redis) -> None:
    """Have all kinds of things happen, with a secret in each."""
    secret = {"card": CARD}
    for name in ("paid", "refused", "broken", "odd", "unwanted"):
        client.publish(name, secret, id=name, key=name, headers=secret, keep=True)
    client.publish("typed", {"cents": CARD}, id="typed")
    db.xadd("{wf:0}:events", {"name": "paid", "payload": f"no JSON {CARD}"})
    db.xadd("{wf:0}:events", {"payload": f'{{"card": "{CARD}"}}', "headers": CARD})
    client.publish("said", secret, key="paid", headers=secret)
    client.wait("0-paid.pay", timeout=60)
    until_quiet(db)
    assert len(client.dead_letters()) == 6


def ask(service: Service, path: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.http_port}{path}",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        text: str = answer.read().decode()
    return text


def command(service: Service, *arguments: str, typed: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "workflow_worker", *arguments],
        env=service.env,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def until_healthy(service: Service) -> None:
    wait_until(lambda: service.health().get("status") == "healthy", what="healthy")


def commands_of(processes: list[psutil.Process]) -> str:
    return "\n".join(" ".join(process.cmdline()) for process in processes)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_whole_run_tells_no_secret(
    guarded: Server, tmp_path: Path, log_format: str
) -> None:
    url = url_of(guarded)
    env = ENV | {"LOG_FORMAT": log_format}
    with Service("redis://nowhere.invalid", tmp_path, APP, **env) as service:
        service.launch("--redis-url", url)
        until_healthy(service)
        service.remember()
        with guarded.client() as db, Client(url) as client:
            live(client, db)
            for path in OPEN:
                assert not leaks(ask(service, path)), path
            assert not leaks(commands_of(service.family))
            seen = (service.marks / "commands").read_text("utf-8")
            assert "wfworker" in seen
            assert not leaks(seen), "while the App was imported"
            service.signal(signal.SIGUSR1)
            wait_until(lambda: "stacks" in service.log(), what="stacks of all threads")

            # An outage, and a password that is right no more.
            guarded.stop(signal.SIGKILL)
            wait_until(lambda: "still away" in service.log())
            acl = guarded.folder / "users.acl"
            acl.write_text(acl.read_text().replace(rule(PASSWORD), rule("other")))
            guarded.start()
            wait_until(lambda: "invalid username" in service.log())
            db.execute_command("ACL", "SETUSER", *rule(PASSWORD).split()[1:])
            wait_until(lambda: "Redis is back" in service.log())
        assert service.stop() == 0
        assert not leaks(service.log())
        assert "0-refused.refuse" in service.log(), "it was the debug log"


@pytest.mark.parametrize(
    ("password", "commands"),
    [
        (PASSWORD, {"status": 0, "doctor": None, "config": 0}),
        ("no" + PASSWORD, {"executions list": 3, "doctor": None, "publish paid -": 3}),
    ],
    ids=["right", "wrong"],
)
def test_commands_tell_no_secret_whether_or_not_they_may_connect(
    guarded: Server, tmp_path: Path, password: str, commands: dict[str, int | None]
) -> None:
    service = Service(url_of(guarded, password), tmp_path, APP, **ENV)
    for line, expected in commands.items():
        status, said = command(service, *line.split(), typed=f'{{"card": "{CARD}"}}')
        assert not leaks(said, SECRETS), line
        # What the doctor finds besides is no matter here.
        assert status == expected or expected is None, said


def test_a_start_that_is_refused_tells_no_secret(tmp_path: Path) -> None:
    service = Service(f"redis://u:{PASSWORD} @h", tmp_path, APP, **ENV)
    for flags in ((), ("--http-token", f"{TOKEN} {TOKEN}")):
        status, said = command(service, "start", *flags)
        assert status == 2, said
        assert not leaks(said, SECRETS)
