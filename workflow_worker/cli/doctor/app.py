"""What ``wfworker doctor`` thinks of what is on this host: settings, ``.env``, App.

Pure but for :func:`declared`, which imports the App in a child.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from workflow_worker.broker.checkup_work import Told
from workflow_worker.cli import boot
from workflow_worker.cli.doctor.findings import Verdict, error, fine, note, warning
from workflow_worker.cli.text import lasting, listed
from workflow_worker.settings import Settings

UNHEARD_MS = 180_000
"""Silence after which no worker with an App runs: each renews it every minute."""
SHORT_LEASE_MS, SHORT_HANG_MS, LONG_GRACE_MS = 3000, 5000, 30_000
SMALL_MB = 80
"""Less memory than a worker with a small App needs."""
LOOPBACK = ("127.", "localhost", "::1")
WORLD_READABLE = 0o004


# --- settings ---------------------------------------------------------------------


def settings(found: Settings) -> Verdict:
    """Judge settings that don't go together, or with anything."""
    for risky, text, means, advice in _risks(found):
        if risky:
            return warning(text, means, advice)
    if found.shutdown_timeout_ms > LONG_GRACE_MS:
        return note(
            f"SHUTDOWN_TIMEOUT_MS is {found.shutdown_timeout_ms}",
            "Kubernetes kills after 30 s unless told otherwise: what runs then counts "
            "as a death of its worker.",
            "Set terminationGracePeriodSeconds, or TimeoutStopSec, to more than that.",
        )
    return fine("no dangerous combination")


def _risks(found: Settings) -> Iterator[tuple[bool, str, str, str]]:
    yield (
        found.lease_ms < SHORT_LEASE_MS,
        f"LEASE_MS is {found.lease_ms}",
        "A short pause of a host or of the network, and others run again what still "
        "runs: actions happen twice.",
        "Set it to 30000, the default; a dead worker's work is taken over at once "
        "whatever it is.",
    )
    yield (
        found.hang_timeout_ms < SHORT_HANG_MS,
        f"HANG_TIMEOUT_MS is {found.hang_timeout_ms}",
        "Workers are killed for a pause of their host, or for C code that keeps the "
        "GIL for as long.",
        "Set it to 60000, the default.",
    )
    yield (
        0 < found.max_memory_mb < SMALL_MB,
        f"MAX_MEMORY_MB is {found.max_memory_mb}",
        "A worker needs more than that to begin with: each is replaced again and "
        "again.",
        "Look at residentBytes in /api/workers and set it to twice that.",
    )
    open_to_all = not found.http_host.startswith(LOOPBACK)
    yield (
        open_to_all and found.http_port is not None and found.http_token is not None,
        f"HTTP_HOST is {found.http_host}, with a token, without TLS",
        "Whoever reads along in that network gets the token and can cancel and purge.",
        "Keep HTTP_HOST on loopback and put a proxy with TLS in front of it.",
    )


def dotenv(found: Settings, path: Path) -> Verdict:
    """Judge who can read the secrets in ``.env``."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return fine("there is none")
    secrets = [env for env in _secrets(found) if found.origin(env) == ".env"]
    if secrets and mode & WORLD_READABLE:
        return warning(
            f"{path} holds {listed(secrets)} and everybody on this host can read it",
            "Any user or service on this host has the secret.",
            f"chmod 600 {path}",
        )
    return fine("no secret in it" if not secrets else "only its owner can read it")


def _secrets(found: Settings) -> Iterator[str]:
    if found.http_token is not None:
        yield "HTTP_TOKEN"
    if found.masked()["REDIS_URL"] != found.redis_url:
        yield "REDIS_URL"


# --- the App ----------------------------------------------------------------------


def declared(spec: str) -> list[str]:
    """Return the names of an App's workflows; prints the user's traceback if any.

    Raises:
        ConfigurationError: it can't be imported or is no App.
    """
    # A file, not a pipe: nobody reads before the child has ended.
    with tempfile.TemporaryFile() as told, _apart():
        boot.try_app(
            spec,
            lambda app: os.write(told.fileno(), json.dumps([*app.workflows]).encode()),
        )
        told.seek(0)
        names: list[str] = json.load(told)
    return sorted(names)


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Import as start does; what a user's module prints must not stand in our JSON."""
    sys.stdout.flush()
    kept, path = os.dup(1), sys.path[:]
    os.dup2(2, 1)
    boot.import_from_here()
    try:
        yield
    finally:
        sys.path[:] = path
        os.dup2(kept, 1)
        os.close(kept)


def app(spec: str, names: Sequence[str]) -> Verdict:
    """Judge an App that can be imported."""
    if not names:
        return warning(
            f"{spec} has no workflow",
            "Services with it run nothing.",
            "Is it the right App? Are the modules imported that declare workflows?",
        )
    return fine(f"{spec} has {len(names)} workflows: {listed(names)}")


def unimportable(spec: str, why: str) -> Verdict:
    """Judge an App that can't be imported.

    Args:
        spec: ``module:attribute``.
        why: one sentence.
    """
    return error(
        why,
        "A service with it does not start; one that runs keeps its old code on reload.",
        f"Try: python -c 'import {spec.partition(':')[0]}' in the directory and "
        "virtual environment of the service. WORKFLOW_APP or --app name another one.",
    )


def routes(names: Sequence[str], found: Sequence[Told], now_ms: float) -> Verdict:
    """Judge whether every workflow that the fleet wants has a worker.

    Args:
        names: workflows of this App.
        found: what Apps have told.
        now_ms: the server's clock.
    """
    heard = [each for each in found if now_ms - each.renewed_ms <= UNHEARD_MS]
    running = frozenset[str]().union(*(each.workflows for each in heard))
    wanted = frozenset[str]().union(*(each.workflows for each in found))
    orphans = wanted - running
    if orphans and running:
        silent = min(
            now_ms - each.renewed_ms for each in found if each.workflows & orphans
        )
        return warning(
            f"no worker has {listed(orphans)}; the last one that had was heard of "
            f"{lasting(silent)} ago",
            "Their events are still taken and put back; an hour after that last "
            "worker they are dropped as unwanted, and what is put back is buried.",
            "Removed or renamed on purpose? Then nothing. Else run a service whose "
            "App has them.",
        )
    if running and not set(names) <= running:
        return note(
            f"no running worker has {listed(set(names) - running)} of this App",
            "It is not deployed yet; its events are dropped as unwanted until then.",
            "Reload or restart the services (HUP).",
        )
    if not running:
        return fine("no worker has told its workflows lately")
    return fine(f"every workflow that is wanted has a worker: {listed(running)}")
