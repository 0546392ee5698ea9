"""``wfworker start``: checks what can be checked, then becomes the master.

Owns the order of a start and of its end. It must never import redis, flask or an App,
unless asked to preload one: all of its memory is the master's.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from workflow_worker import log as logs
from workflow_worker.cli import boot
from workflow_worker.cli.options import Flags, examples, settings_options
from workflow_worker.cli.preload import preload
from workflow_worker.embedded import EmbeddedServer
from workflow_worker.errors import ConfigurationError
from workflow_worker.settings import Settings, load
from workflow_worker.supervisor.notify import Notifier, from_environment
from workflow_worker.titles import entitle

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a service, beside its settings.

    Attributes:
        flags: settings given on the command line.
        embedded: start a server for it.
        data_dir: where that server keeps its data; None for a folder that is removed.
        reload: follow changes of the code.
        preload: import the App once, before the workers are forked.
        pidfile: file that holds the master's pid while it runs.
    """

    flags: Flags
    embedded: bool = False
    data_dir: Path | None = None
    reload: bool = False
    preload: bool = False
    pidfile: Path | None = None


EXAMPLES = examples(
    "wfworker start --app orders:app --workers 4",
    "wfworker start --app orders:app --embedded --data-dir ./data",
    "wfworker start --app orders:app --workers 8 --preload",
    "REDIS_URL=redis://db:6379/0 wfworker start --log-format json",
)


@click.command("start", epilog=EXAMPLES)
@settings_options()
@click.option("--embedded", is_flag=True, help="Start a Valkey server with it.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the embedded server's data; by default one that is removed.",
)
@click.option("--reload", is_flag=True, help="Reload when a .py file or .env changes.")
@click.option(
    "--preload",
    is_flag=True,
    help="Import the App once, before the workers are forked: they share its memory. "
    "HUP brings new settings then, but no new code.",
)
@click.option(
    "--pidfile", type=click.Path(path_type=Path), help="File for the master's pid."
)
def command(
    embedded: bool,
    data_dir: Path | None,
    reload: bool,
    preload: bool,
    pidfile: Path | None,
    **flags: str | None,
) -> None:
    """Run the service: a master, its workers and the monitor.

    TERM drains and stops, HUP reloads code and .env.
    """
    launch = Launch(flags, embedded, data_dir, reload, preload, pidfile)
    status = run(launch)
    if not logs.flush():  # nobody reads the log: no reason to call the stop a failure
        os._exit(status)
    click.get_current_context().exit(status)


def run(launch: Launch) -> int:
    """Run a service to its end and return the exit status.

    Raises:
        ConfigurationError: it can't start like this.
    """
    boot.hold_standard_streams()
    _check(launch)
    # Before the first fork: no child is to speak for the service.
    notifier = from_environment(os.environ)  # noqa: TID251 - no setting: taken away
    settings = load(launch.flags)
    # Flags stand in ps until then, and one may hold a password.
    entitle("master", settings.workflow_app, "starting")
    logs.configure(settings.log_level, settings.log_format, role="master")
    boot.import_from_here()
    with _orderly(), boot.pidfile(launch.pidfile):
        if launch.reload:  # the service itself waits for the fix
            _import_shared()
        else:
            boot.try_app(settings.workflow_app, beside=_import_shared)
        # Before the port is bound: the server's process would hold it too.
        with _server(launch) as flags:
            if launch.preload:
                preload(settings.workflow_app)
            return _serve(flags, launch, notifier)


def _check(launch: Launch) -> None:
    if launch.data_dir and not launch.embedded:
        raise ConfigurationError("--data-dir is for --embedded only")
    if launch.embedded and launch.flags.get("redis_url"):
        raise ConfigurationError("--embedded and --redis-url exclude each other")
    if launch.preload and launch.reload:
        raise ConfigurationError(
            "--preload and --reload exclude each other: code that was imported before "
            "the workers were forked can't be imported anew"
        )
    # Looked for, not imported: its threads have no place in the master.
    if launch.reload and importlib.util.find_spec("watchfiles") is None:
        raise ConfigurationError(
            "--reload needs watchfiles: pip install 'workflow-worker[reload]'"
        )


@contextlib.contextmanager
def _server(launch: Launch) -> Iterator[Flags]:
    """Start the embedded server if there is to be one; give the flags that name it."""
    if not launch.embedded:
        yield launch.flags
        return
    with EmbeddedServer(launch.data_dir) as server:
        log.info("embedded server %d on %s", server.pid, server.url)
        yield {**launch.flags, "redis_url": server.url}


def _serve(flags: Flags, launch: Launch, notifier: Notifier) -> int:
    from workflow_worker.supervisor.service import (  # noqa: PLC0415 - other commands need none of it
        WorkerService,
    )

    def load_settings() -> Settings:
        if launch.preload:
            log.warning("reloading settings alone: preloaded code needs a restart")
        # Flags and environment stay what they were; only .env is read anew.
        return load(flags)

    settings = load(flags)
    listener = boot.listen(settings)
    with listener or contextlib.nullcontext():
        if listener:
            url = boot.url_of(listener)
            log.info("serving HTTP on %s", url, extra={"url": url})
        return WorkerService(
            settings,
            listener=listener,
            reload=launch.reload,
            load_settings=load_settings,
            notifier=notifier,
        ).run()


def _import_shared() -> None:
    """Import what the master and its children need, and other commands do not."""
    importlib.import_module("workflow_worker.supervisor.imports").share()


@contextlib.contextmanager
def _orderly() -> Iterator[None]:
    """Unwind on TERM where the service does not listen for it: before and after."""
    before = signal.signal(signal.SIGTERM, _unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _unwind(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
