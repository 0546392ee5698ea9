"""``wfworker dlq``: look at dead letters, retry them, or purge them.

Owns how letters are chosen on the command line, and who is asked before anything is
removed.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workflow_worker.cli.connected import connected
from workflow_worker.cli.dlq_report import as_table, as_text, letters
from workflow_worker.cli.dlq_watch import Watched, confirmed, stopped_by_interrupt
from workflow_worker.cli.main import FAILED
from workflow_worker.cli.options import examples, json_option, settings_options
from workflow_worker.errors import WorkflowWorkerError

if TYPE_CHECKING:
    from workflow_worker.client import Handled

F = TypeVar("F", bound=Callable[..., object])
Filters = dict[str, Any]
"""How letters are chosen beside their ids, as the client's methods take it."""

EXAMPLES = examples(
    "wfworker dlq list --workflow fulfil",
    "wfworker dlq show 1767323045678-0",
    "wfworker dlq retry 1767323045678-0",
    "wfworker dlq retry --error CardExpired --older-than 12h",
    "wfworker dlq retry --all --rate 500",
    "wfworker dlq purge --older-than 30d",
)
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}

reaches_redis = settings_options("redis_url", "workflow_namespace")


def age(text: str) -> float:
    """Read an age, as the type of an option; in seconds.

    Raises:
        BadParameter: it is none.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([dhms])", text)
    if not found:
        raise click.BadParameter(f"{text!r} is no age like 7d, 12h, 30m or 45s.")
    return float(found[1]) * _UNITS[found[2]]


def per_second(text: str) -> float:
    """Read a rate, as the type of an option.

    Raises:
        BadParameter: it is no number above 0.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise click.BadParameter(f"{text!r} is no number above 0.")
    return found


def chooses(command: F) -> F:
    """Add what chooses letters to a command; all of it must fit."""
    for add in (
        click.option(
            "--older-than",
            type=age,
            metavar="AGE",
            help="Only older ones: 7d, 12h, 30m.",
        ),
        click.option("--error", help="Only those of this error: shop.Empty, or Empty."),
        click.option("--workflow", help="Only those of this workflow."),
        click.argument("ids", metavar="[ID]...", nargs=-1),
    ):
        command = add(command)
    return command


def _filters(
    workflow: str | None, error: str | None, older_than: float | None
) -> Filters:
    return {"workflow": workflow, "error_type": error, "older_than": older_than}


def _require_some(ids: tuple[str, ...], filters: Filters, everything: bool) -> None:
    if not ids and not everything and not any(v is not None for v in filters.values()):
        raise click.UsageError(
            "Which dead letters? Give ids, --workflow, --error, --older-than or --all."
        )


everything_option = click.option(
    "--all", "everything", is_flag=True, help="All of them."
)


@click.group("dlq", epilog=EXAMPLES)
def command() -> None:
    """List and show dead letters; retry or purge them."""


@command.command("list", epilog=examples("wfworker dlq list --older-than 7d --json"))
@chooses
@click.option("--limit", type=click.IntRange(min=1), default=50, help="Most shown; 50.")
@reaches_redis
@json_option
def list_(
    ids: tuple[str, ...],
    workflow: str | None,
    error: str | None,
    older_than: float | None,
    limit: int,
    as_json: bool,
    **flags: str | None,
) -> None:
    """List dead letters, the oldest first.

    Exit status 1 if there is none with an ID.
    """
    filters = _filters(workflow, error, older_than)
    with connected(flags) as client:
        found = client.dead_letters(*ids, **filters, limit=limit)
        full = len(found) == limit and not as_json
        more = client.count_dead_letters(*ids, **filters) - limit if full else 0
    if as_json:
        click.echo(json.dumps({"deadLetters": [each.as_object() for each in found]}))
    else:
        click.echo(as_table(found))
    if more > 0:
        click.echo(f"{letters(more)} more: see --limit", err=True)
    missing = set(ids) - {each.id for each in found} if more <= 0 else set()
    for letter_id in sorted(missing):
        click.echo(f"wfworker: {_absent(letter_id)}", err=True)
    if missing:
        click.get_current_context().exit(FAILED)


@command.command("show", epilog=examples("wfworker dlq show 1767323045678-0"))
@click.argument("letter_id", metavar="ID")
@reaches_redis
@json_option
def show(letter_id: str, as_json: bool, **flags: str | None) -> None:
    """Show one dead letter: what failed and why, and its event."""
    with connected(flags) as client:
        found = client.dead_letters(letter_id)
    if not found:
        raise WorkflowWorkerError(_absent(letter_id))
    [letter] = found
    shown = json.dumps(letter.as_object(), indent=2) if as_json else as_text(letter)
    click.echo(shown)


@command.command(
    "retry",
    epilog=examples(
        "wfworker dlq retry 1767323045678-0", "wfworker dlq retry --workflow fulfil"
    ),
)
@chooses
@everything_option
@click.option(
    "--rate",
    type=per_second,
    default="100",
    metavar="NUMBER",
    help="Most letters a second; 100.",
)
@reaches_redis
def retry(
    ids: tuple[str, ...],
    workflow: str | None,
    error: str | None,
    older_than: float | None,
    everything: bool,
    rate: float,
    **flags: str | None,
) -> None:
    """Give dead letters another try.

    Failed executions go on from their journals; events that never came to one are put
    back into the stream. Goes no faster than --rate, and waits while a thousand events
    are in the stream. Ctrl-C stops it; nothing is lost, and the same command goes on.

    Exit status 1 if some could not be retried, or it was stopped.
    """
    filters = _filters(workflow, error, older_than)
    _require_some(ids, filters, everything)
    with (
        connected(flags) as client,
        stopped_by_interrupt() as stop,
        Watched(
            "retried", "going on", lambda: client.count_dead_letters(*ids, **filters)
        ) as watched,
    ):
        done = client.redrive(
            *ids,
            **filters,
            everything=everything,
            rate=rate,
            stop=stop,
            progress=watched.tell,
        )
        watched.tell(done)
    _end(done)


@command.command("purge", epilog=examples("wfworker dlq purge --older-than 30d --yes"))
@chooses
@everything_option
@click.option("--yes", is_flag=True, help="Don't ask.")
@reaches_redis
def purge(
    ids: tuple[str, ...],
    workflow: str | None,
    error: str | None,
    older_than: float | None,
    everything: bool,
    yes: bool,
    **flags: str | None,
) -> None:
    """Remove dead letters for good, and the failed executions behind them.

    Asks first. Exit status 1 if there is none with an ID, or it was stopped.
    """
    filters = _filters(workflow, error, older_than)
    _require_some(ids, filters, everything)
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("There is nobody to ask: say --yes.")
    with (
        connected(flags) as client,
        stopped_by_interrupt() as stop,
        Watched(
            "purged",
            "removed",
            lambda: client.count_dead_letters(*ids, **filters),
        ) as watched,
    ):
        done = client.purge(
            *ids,
            **filters,
            everything=everything,
            confirm=None if yes else _confirmed,
            stop=stop,
            progress=watched.tell,
        )
        watched.tell(done)
    _end(done)


def _confirmed(count: int) -> bool:
    return confirmed(f"Remove {letters(count)} and the failed executions behind them?")


def _absent(letter_id: str) -> str:
    return (
        f"there is no dead letter {letter_id}: it was retried or purged, or never was"
    )


def _end(done: Handled) -> None:
    for refusal in done.refusals:
        click.echo(f"wfworker: {refusal.id}: {refusal.why}", err=True)
    if done.refused > len(done.refusals):
        click.echo(f"wfworker: and {done.refused - len(done.refusals)} more", err=True)
    if done.stopped:
        click.echo("wfworker: stopped before the end; the rest stays", err=True)
    if done.stopped or done.refused:
        click.get_current_context().exit(FAILED)
