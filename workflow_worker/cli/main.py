"""The command group: finds the command, and turns errors into exit statuses.

Owns the statuses. Commands are imported when they are called: the process that runs
``wfworker start`` becomes the master, whose memory holds no redis, flask or App.
"""

from __future__ import annotations

import errno
import importlib

import click

from workflow_worker.cli.options import examples
from workflow_worker.errors import (
    ConfigurationError,
    Unavailable,
    WorkflowWorkerError,
)
from workflow_worker.version import VERSION

COMMANDS = {
    "start": "run the service",
    "dev": "run it for development: reload, debug logs, a server of its own",
    "demo": "show an order workflow end to end, and check every number",
    "publish": "publish events",
    "executions": "list and show what runs or ran; signal, cancel or retry it",
    "dlq": "list and show dead letters; retry or purge them",
    "status": "show all instances, their workers, and what is queued",
    "top": "watch them live",
    "health": "ask a running service how it is",
    "doctor": "look for what is wrong, and say what to do",
    "config": "show each setting and where it came from",
}
"""Names of the commands, each a module beside this one, and what they do."""

FAILED, UNUSABLE, UNREACHABLE = 1, 2, 3


class Commands(click.Group):
    """Imports each command from the module of its name, on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"workflow_worker.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; foreseeable errors end as a sentence and a status."""
        try:
            return super().invoke(ctx)
        except WorkflowWorkerError as error:
            click.echo(f"wfworker: {sentence(error)}", err=True)
            ctx.exit(status_of(error))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            click.echo(f"wfworker: {error.strerror}", err=True)
            ctx.exit(FAILED)


def status_of(error: WorkflowWorkerError) -> int:
    """Return the exit status that stands for an error."""
    if isinstance(error, ConfigurationError):
        return UNUSABLE
    return UNREACHABLE if isinstance(error, Unavailable) else FAILED


def sentence(error: WorkflowWorkerError) -> str:
    """Return an error as one line for people."""
    return " ".join(str(error).split()) or type(error).__name__


EXAMPLES = examples(
    "wfworker demo                                see it work, nothing to set up",
    "wfworker dev --app orders:app                develop, with a server of its own",
    "wfworker start --app orders:app --workers 4  run the service",
    "wfworker publish order.placed '{}' --key o-1",
    "wfworker executions list --status failed",
    "wfworker dlq retry --workflow fulfil",
    "wfworker status",
    "wfworker health",
    "wfworker doctor                              what is wrong, and what to do",
)


@click.group(
    cls=Commands,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="wfworker", message="%(prog)s %(version)s")
def wfworker() -> None:
    """Durable workflows over Redis Streams.

    Settings come from flags, then the environment, then .env in the working
    directory. Exit status: 0 done, 1 failed, 2 usage or configuration, 3 Redis can't
    be reached.
    """


def main() -> None:
    """Run ``wfworker`` with the arguments of this process, and exit."""
    wfworker(prog_name="wfworker")
