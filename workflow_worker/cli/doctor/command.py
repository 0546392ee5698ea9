"""``wfworker doctor``: the troubleshooting guide as a command.

Owns how bad it is as an exit status. Which checks there are stands in
``checks.py``. Changes nothing in Redis.
"""

from __future__ import annotations

import json
import shutil

import click

from workflow_worker.broker.connection import Link
from workflow_worker.cli.doctor.checks import Host, Redis, made
from workflow_worker.cli.doctor.findings import Finding, Severity, worst
from workflow_worker.cli.doctor.report import as_text
from workflow_worker.cli.doctor.server import unreachable
from workflow_worker.cli.main import UNREACHABLE, sentence
from workflow_worker.cli.options import examples, json_option, settings_options
from workflow_worker.errors import Rejected, Unavailable
from workflow_worker.settings import Settings, load

STATUSES = {Severity.WARNING: 1, Severity.ERROR: 2}
NARROWEST, WIDEST = 60, 100
"""Characters of a line."""

EXAMPLES = examples(
    "wfworker doctor",
    "wfworker doctor --app orders:app --redis-url rediss://db:6379/0 --json",
)


@click.command("doctor", epilog=EXAMPLES)
@settings_options()
@json_option
def command(as_json: bool, **flags: str | None) -> None:
    """Look for what is wrong, and say what to do.

    Takes the settings of start: run it where the service runs. Changes nothing.

    Exit status: 0 nothing to do, 1 warnings, 2 errors, 3 Redis can't be reached (the
    other checks are made all the same).
    """
    settings = load(flags)
    findings, reached = examine(settings)
    if as_json:
        objects = [finding.as_object() for finding in findings]
        found = {"status": worst(findings).value, "findings": objects}
        click.echo(json.dumps(found, indent=2))
    else:
        width, _ = shutil.get_terminal_size()
        click.echo(as_text(findings, min(max(width, NARROWEST), WIDEST)))
    status = STATUSES.get(worst(findings), 0) if reached else UNREACHABLE
    click.get_current_context().exit(status)


def examine(settings: Settings) -> tuple[list[Finding], bool]:
    """Make every check; return what was found, and whether Redis was reached."""
    host = Host(settings)
    findings = list(made(host.checks()))
    link = Link(settings.redis_url)
    try:
        for finding in made(Redis(settings, link, host).checks()):
            findings.append(finding)
    except (Unavailable, Rejected) as error:
        url = str(settings.masked()["REDIS_URL"])
        verdict = unreachable(sentence(error), url)
        return [*findings, Finding("Redis", "reach", verdict)], False
    finally:
        link.close()
    return findings, True
