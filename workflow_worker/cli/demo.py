"""``wfworker demo``: the order workflow end to end, on real processes.

Owns the course of the show: a server, a service on it, events, waiting until every one
is accounted for, and the end of it all. What has to come out is in ``demo_report``.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workflow_worker.cli import health
from workflow_worker.cli.demo_report import (
    Check,
    Findings,
    Letter,
    Plan,
    as_object,
    as_text,
    checks,
)
from workflow_worker.cli.options import examples, json_option
from workflow_worker.clock import monotonic, sleep
from workflow_worker.embedded import EmbeddedServer, follow
from workflow_worker.errors import Unavailable
from workflow_worker.model import Json

if TYPE_CHECKING:
    from workflow_worker.client import Client

APP = "workflow_worker.cli.demo_app:app"
ANNOUNCER = "workflow_worker.cli.start"
"""Logger whose line names the port."""
NAMESPACE = "demo"
PATIENCE = 30.0
"""Seconds without any progress after which waiting is over."""
SETTLING = 5.0
"""Seconds that the board may lag behind the database."""
PAUSE = 0.05
LAST_LINES = 20
FEW = 5

EXAMPLES = examples("wfworker demo", "wfworker demo --events 5000 --workers 4 --json")


@dataclass(frozen=True, slots=True)
class Service:
    """The service under show.

    Attributes:
        process: its master.
        log: file with everything it said.
        token: for what its HTTP server does not tell everybody.
    """

    process: subprocess.Popen[bytes]
    log: Path
    token: str

    @property
    def alive(self) -> bool:
        """Tell whether the master still runs."""
        return self.process.poll() is None

    def url(self) -> str:
        """Return where it answers; empty as long as the log does not say."""
        for line in self.log.read_text("utf-8", "replace").splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if record["logger"] == ANNOUNCER and "url" in record:
                    return str(record["url"])
        return ""

    def said(self) -> tuple[str, ...]:
        """Return the last lines of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return tuple(lines[-LAST_LINES:])


@click.command("demo", epilog=EXAMPLES)
@click.option(
    "--events", type=click.IntRange(min=1), default=300, help="Orders to publish."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, help="Worker processes."
)
@json_option
def command(events: int, workers: int, as_json: bool) -> None:
    """Show an order workflow end to end, and check every number.

    Starts a server and a service of its own, publishes orders of which a few fail on
    purpose, and waits until all are accounted for. Exit status 0 only if every number
    adds up.
    """
    plan = Plan(events)
    found = perform(plan, workers)
    made = checks(plan, workers, found)
    if as_json:
        click.echo(json.dumps(as_object(found, made), indent=2))
    else:
        click.echo(as_text(found, made))
    click.get_current_context().exit(_verdict(plan, made, found))


def _verdict(plan: Plan, made: list[Check], found: Findings) -> int:
    off = [check for check in made if not check.holds]
    if not off:
        say("every number adds up")
        return 0
    for line in found.said:
        say(line)
    for letter in found.unplanned(plan)[:FEW]:
        say(f"unplanned: {letter.event_id}: {letter.error_type}: {letter.message}")
    for check in off:
        say(f"off: {check.what}: {check.found} instead of {check.expected}")
    return 1


def perform(plan: Plan, workers: int) -> Findings:
    """Run the show in a folder that is removed, and return what came out.

    Raises:
        Unavailable: the server or the service did not start.
    """
    from workflow_worker.client import Client  # noqa: PLC0415 - redis, only when needed

    with (
        tempfile.TemporaryDirectory(prefix="wfworker-demo-") as folder,
        EmbeddedServer() as server,
        Client(redis_url=server.url, namespace=NAMESPACE) as client,
    ):
        say(f"server {server.pid} on {server.url}")
        with serving(server.url, workers, Path(folder)) as service:
            return _watch(plan, workers, service, client)


@contextlib.contextmanager
def serving(redis_url: str, workers: int, folder: Path) -> Iterator[Service]:
    """Run a service as a process of its own, stopped at the end in any case."""
    log, token = folder / "service.log", secrets.token_urlsafe()
    options = {
        "--app": APP,
        "--redis-url": redis_url,
        "--workflow-namespace": NAMESPACE,
        "--workers": str(workers),
        "--http-host": "127.0.0.1",
        "--http-port": "0",
        "--http-token": token,
        "--log-level": "info",
        "--log-format": "json",
    }
    arguments = [text for option in options.items() for text in option]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "workflow_worker", "start", *arguments],
            cwd=folder,  # no .env of the user's
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=follow(os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - one thread
        )
    try:
        yield Service(process, log, token)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> int:
    """Drain the service and return its exit status; again is harmless."""
    process.terminate()
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


# --- the course of the show -------------------------------------------------------


def _watch(plan: Plan, workers: int, service: Service, client: Client) -> Findings:
    url = _ready(service, workers)
    say(f"service {service.process.pid}, {workers} workers, {url}")
    started = monotonic()
    published = client.publish_many(plan.events())
    say(f"published {plan.orders} orders, {len(plan.failing)} of them made to fail")
    _follow(client, plan.total + 1)  # and the one published twice
    seconds = monotonic() - started
    answer, shares = _settled(service, url, plan.total)
    status = stop(service.process)
    return Findings(
        published=tuple(published),
        stats=client.stats(),
        letters=tuple(_letters(client)),
        health=answer,
        shares=shares,
        backlog=client.backlog(),
        exit_status=status,
        seconds=seconds,
        said=service.said(),
    )


def _ready(service: Service, workers: int) -> str:
    """Wait until every worker is healthy; return the service's URL."""

    def healthy() -> bool:
        url = service.url()
        answer = health.ask(url + health.PATH) if url else {}
        return answer.get("healthyWorkers") == workers

    if _until(lambda: healthy() or not service.alive, PATIENCE) and service.alive:
        return service.url()
    for line in service.said():
        say(line)
    raise Unavailable("the demo's service did not get ready; its last words are above")


def _follow(client: Client, total: int) -> None:
    """Show progress until all events are accounted for, or nothing moves any more."""
    done, moved, patience = -1, monotonic(), PATIENCE
    while done < total and monotonic() - moved < patience:
        before, done = done, _accounted(client)
        # With nothing left to do there is nothing to wait for.
        patience = PATIENCE if any(client.backlog()) else SETTLING
        if done != before:
            moved = monotonic()
            _show(done, total)
        sleep(PAUSE)


def _accounted(client: Client) -> int:
    stats = client.stats()
    names = ("events_succeeded", "events_failed", "events_duplicate")
    return sum(stats.get(name, 0) for name in names)


def _settled(service: Service, url: str, total: int) -> tuple[Json, dict[int, int]]:
    """Return health and shares once they agree with the database, or anyway."""

    def agree() -> bool:
        answer = health.ask(url + health.PATH)
        done = answer.get("eventsProcessed") == total == sum(shares().values())
        return done and answer["activeEvents"] == 0

    def shares() -> dict[int, int]:
        rows = _workers(url, service.token)
        return {row["slot"]: row["eventsProcessed"] for row in rows}

    _until(agree, SETTLING)
    return health.ask(url + health.PATH), shares()


def _workers(url: str, token: str) -> list[Json]:
    try:
        rows: list[Json] = json.loads(health.fetch(f"{url}/api/workers", token))[
            "workers"
        ]
    except (OSError, HTTPException, ValueError, KeyError):
        return []
    return rows


def _letters(client: Client) -> Iterator[Letter]:
    after = "-"
    while page := client.dead_letters(after=after):
        for letter in page:
            event_id = letter.fields.get("id", b"").decode("utf-8", "replace")
            yield Letter(event_id, letter.category, letter.error_type, letter.message)
        after = page[-1].id


def _until(holds: Callable[[], bool], patience: float) -> bool:
    deadline = monotonic() + patience
    while not holds():
        if monotonic() > deadline:
            return False
        sleep(PAUSE)
    return True


# --- what is said meanwhile -------------------------------------------------------


def say(text: str) -> None:
    """Tell people what happens; stdout is for what came out."""
    click.echo(text, err=True)


def _show(done: int, total: int) -> None:
    """Show progress: one line that is overwritten, where the terminal can."""
    live = sys.stderr.isatty()
    end = "\n" if not live or done == total else ""
    start = "\r" if live else ""
    click.echo(
        f"{start}{done} of {total} events accounted for{end}", nl=False, err=True
    )
