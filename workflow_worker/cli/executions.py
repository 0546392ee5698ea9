"""``wfworker executions``: look at what runs or ran, and steer it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from workflow_worker.cli.connected import connected
from workflow_worker.cli.executions_report import as_table, as_text
from workflow_worker.cli.main import FAILED, sentence
from workflow_worker.cli.options import examples, json_option, settings_options
from workflow_worker.cli.publish import read
from workflow_worker.errors import ExecutionNotFound, NotPossible

if TYPE_CHECKING:
    from workflow_worker.client import Client

STATUSES = ("running", "waiting", "retrying", "completed", "failed", "cancelled")

EXAMPLES = examples(
    "wfworker executions list --status waiting",
    "wfworker executions show 0-o-1.fulfil",
    'wfworker executions signal 0-o-1.fulfil order.approved \'{"by": "ann"}\'',
    "wfworker executions cancel 0-o-1.fulfil",
    "wfworker executions retry 0-o-1.fulfil",
)

reaches_redis = settings_options("redis_url", "workflow_namespace")


@click.group("executions", epilog=EXAMPLES)
def command() -> None:
    """List and show executions; signal, cancel or retry them."""


@command.command("list", epilog=examples("wfworker executions list --key o-1 --json"))
@click.option("--status", type=click.Choice(STATUSES), help="Only those.")
@click.option("--workflow", help="Only those of this workflow.")
@click.option("--key", help="Only those with this business key.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, help="Most shown; 100."
)
@reaches_redis
@json_option
def list_(
    status: str | None,
    workflow: str | None,
    key: str | None,
    limit: int,
    as_json: bool,
    **flags: str | None,
) -> None:
    """List executions, the last changed first."""
    with connected(flags) as client:
        found = client.executions(status, workflow, key, limit)
    if as_json:
        click.echo(json.dumps({"executions": [each.as_listed() for each in found]}))
    else:
        click.echo(as_table(found))


@command.command("show", epilog=examples("wfworker executions show 0-o-1.fulfil"))
@click.argument("execution_id", metavar="ID")
@reaches_redis
@json_option
def show(execution_id: str, as_json: bool, **flags: str | None) -> None:
    """Show one execution and what it did, step by step."""
    with connected(flags) as client:
        found = client.execution(execution_id)
    click.echo(json.dumps(found.as_object(), indent=2) if as_json else as_text(found))


@command.command(
    "signal",
    epilog=examples("wfworker executions signal 0-o-1.fulfil order.approved @by.json"),
)
@click.argument("execution_id", metavar="ID")
@click.argument("name")
@click.argument("payload", metavar="[JSON|-|@FILE]", default="{}")
@reaches_redis
def signal(execution_id: str, name: str, payload: str, **flags: str | None) -> None:
    """Send the signal NAME to one execution; prints the event's id."""
    fields = read(payload)
    with connected(flags) as client:
        click.echo(client.signal(execution_id, name, fields))


@command.command("cancel", epilog=examples("wfworker executions cancel 0-o-1.fulfil"))
@click.argument("execution_ids", metavar="ID...", nargs=-1, required=True)
@reaches_redis
def cancel(execution_ids: tuple[str, ...], **flags: str | None) -> None:
    """End executions.

    One that runs ends at its next step; one with compensations runs them first. Exit
    status 1 if one could not be cancelled.
    """
    with connected(flags) as client:
        _each(execution_ids, lambda known: _ENDED[client.cancel(known)])


@command.command("retry", epilog=examples("wfworker executions retry 0-o-1.fulfil"))
@click.argument("execution_ids", metavar="ID...", nargs=-1, required=True)
@reaches_redis
def retry(execution_ids: tuple[str, ...], **flags: str | None) -> None:
    """Make failed or cancelled executions go on where their journals end.

    Exit status 1 if one could not be retried.
    """
    with connected(flags) as client:
        _each(execution_ids, functools.partial(_retried, client))


_ENDED = {"cancelled": "cancelled", "asked": "is asked to end at its next step"}


def _retried(client: Client, execution_id: str) -> str:
    client.retry(execution_id)
    return "runs again"


def _each(execution_ids: tuple[str, ...], act: Callable[[str], str]) -> None:
    """Do it to each, whatever comes of the others, and end with the status for all."""
    failed = False
    for execution_id in execution_ids:
        try:
            click.echo(f"{execution_id} {act(execution_id)}")
        except (ExecutionNotFound, NotPossible) as error:
            click.echo(f"wfworker: {sentence(error)}", err=True)
            failed = True
    if failed:
        click.get_current_context().exit(FAILED)
