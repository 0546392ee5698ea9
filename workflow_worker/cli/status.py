"""``wfworker status``: the whole fleet on one screen."""

from __future__ import annotations

import json
import shutil
import sys

import click

from workflow_worker.cli.connected import connected
from workflow_worker.cli.options import (
    Flags,
    examples,
    json_option,
    settings_options,
)
from workflow_worker.cli.status_report import as_text
from workflow_worker.settings import load, mask_url

EXAMPLES = examples(
    "wfworker status", "wfworker status --workflow-namespace shop --json"
)

reaches_redis = settings_options("redis_url", "workflow_namespace")


@click.command("status", epilog=EXAMPLES)
@reaches_redis
@json_option
def command(as_json: bool, **flags: str | None) -> None:
    """Show every instance, its workers, what they do, and what is queued.

    An instance that died without a word is shown as lost for ten minutes. Exit status
    0 whatever the state; see health for an exit status that tells it.
    """
    with connected(flags) as client:
        fleet = client.fleet()
    if as_json:
        click.echo(json.dumps(fleet.as_object()))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        click.echo(as_text(fleet, place(flags), width))


def place(flags: Flags) -> str:
    """Return which Redis and namespace is looked at, without its password."""
    its = load(flags)
    return f"{mask_url(its.redis_url)}, namespace {its.workflow_namespace}"
