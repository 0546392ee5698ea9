"""``wfworker health``: what a running service says of itself, as an exit status.

Asked by a person, also why: what its workers give as reasons.

Owns how the answer is read by people and probes. It must never judge: the service did.
"""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from http.client import HTTPException
from urllib.parse import urlsplit

import click

from workflow_worker.cli.options import examples, json_option, settings_options
from workflow_worker.errors import ConfigurationError
from workflow_worker.model import Json
from workflow_worker.settings import Settings, load

PATH = "/api/health/worker"
WORKERS_PATH = "/api/workers"
TIMEOUT = 5.0
"""Seconds to wait for an answer."""
STATUSES = {"healthy": 0, "degraded": 1, "unhealthy": 2}
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not bound
"""Addresses to bind that nobody can connect to, and where to find what did."""

EXAMPLES = examples(
    "wfworker health",
    "wfworker health --url http://10.0.0.7:8090 --json",
)


@click.command("health", epilog=EXAMPLES)
@click.option("--url", help="Where to ask, instead of HTTP_HOST and HTTP_PORT.")
@settings_options("http_host", "http_port")
@json_option
def command(url: str | None, as_json: bool, **flags: str | None) -> None:
    """Ask a running service how it is, and why.

    Exit status: 0 healthy, 1 degraded, 2 unhealthy or no answer.
    """
    settings = load(flags)
    asked = _complete(url) if url else address(settings)
    health = ask(asked)
    click.echo(json.dumps(health) if as_json else line(health))
    if not as_json and STATUSES[health["status"]] and "error" not in health:
        # The token is for this service: not for whatever answers at a --url.
        for reason in why(asked, "" if url else settings.http_token or ""):
            click.echo(reason)
    click.get_current_context().exit(STATUSES[health["status"]])


def address(settings: Settings) -> str:
    """Return the URL where a service with these settings answers.

    Raises:
        ConfigurationError: it answers nowhere, or nobody can know where.
    """
    if not settings.http_port:
        port = "off" if settings.http_port is None else "0, any free one"
        raise ConfigurationError(f"HTTP_PORT is {port}: say where to ask with --url")
    host = EVERYWHERE.get(settings.http_host, settings.http_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}{PATH}"


def _complete(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname
        _ = parts.port  # raises if it is none
    except ValueError:
        usable = None
    if not usable:
        raise ConfigurationError("--url must be like http://HOST:PORT")
    return url if parts.path.strip("/") else parts._replace(path=PATH).geturl()


def ask(url: str) -> Json:
    """Return what the service at this URL answers; without an answer, unhealthy."""
    try:
        return _read(fetch(url))
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        return {"status": "unhealthy", "error": f"no answer from {url}: {reason}"}


def why(url: str, token: str) -> list[str]:
    """Return what the workers give as reasons, a line each, or where to find them.

    Args:
        url: where the service answered how it is.
        token: bearer token; empty for none.
    """
    try:
        body = fetch(urlsplit(url)._replace(path=WORKERS_PATH).geturl(), token)
        return [
            f"  worker {worker['slot']} is {worker['status']}: {reason}"
            for worker in json.loads(body)["workers"]
            for reason in worker["reasons"]
        ]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return ["  why: see wfworker status, or give this command the HTTP_TOKEN"]


def fetch(url: str, token: str = "") -> bytes:
    """Return the body of what a URL answers, be it an error page.

    Args:
        url: http or https.
        token: bearer token, if one is needed.

    Raises:
        OSError: no answer.
        HTTPException: what answers does not speak HTTP.
    """
    # A proxy from the environment would be asked for its own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - see above
    try:
        reply = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        body: bytes = reply.read()
        return body


def _read(body: bytes) -> Json:
    answer: object = None
    with contextlib.suppress(ValueError):
        answer = json.loads(body)
    if not isinstance(answer, dict) or answer.get("status") not in STATUSES:
        raise ValueError("what answers there is no workflow-worker")
    return answer


def line(health: Json) -> str:
    """Return the answer as a line for people."""
    if "error" in health:
        return f"{health['status']}: {health['error']}"
    workers = ", ".join(
        f"{health[key]} {word}"
        for key, word in _WORKERS
        if key == "healthyWorkers" or health[key]
    )
    return (
        f"{health['status']}: {health['workerCount']} workers ({workers}); "
        f"{health['eventsProcessed']} events processed, "
        f"{health['eventsSucceeded']} succeeded, {health['eventsFailed']} failed, "
        f"{health['activeEvents']} active"
    )


_WORKERS = (
    ("healthyWorkers", "healthy"),
    ("degradedWorkers", "degraded"),
    ("unhealthyWorkers", "unhealthy"),
)
