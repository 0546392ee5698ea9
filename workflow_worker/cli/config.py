"""``wfworker config``: each setting, and where it came from. Never shows a secret."""

from __future__ import annotations

import json

import click

from workflow_worker.cli.options import examples, json_option, settings_options
from workflow_worker.settings import Settings, load, table

EXAMPLES = examples(
    "wfworker config",
    "LEASE_MS=60000 wfworker config --json",
)


@click.command("config", epilog=EXAMPLES)
@settings_options()
@json_option
def command(as_json: bool, **flags: str | None) -> None:
    """Show each setting and where it came from, secrets masked.

    Takes the flags of start, to see what they would change.
    """
    settings = load(flags)
    click.echo(as_objects(settings) if as_json else as_table(settings))


def as_objects(settings: Settings) -> str:
    """Return the settings as JSON: by variable, its value and its origin."""
    return json.dumps(
        {
            env: {"value": value, "origin": settings.origin(env)}
            for env, value in settings.masked().items()
        },
        indent=2,
    )


def as_table(settings: Settings) -> str:
    """Return the settings as three aligned columns."""
    shown = settings.masked()
    rows = [("SETTING", "VALUE", "FROM")]
    for row in table():
        value = shown[row.env]
        text = row.kind.nothing if value is None else str(value)
        rows.append((row.env, text, settings.origin(row.env)))
    wide = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{a:{wide[0]}}  {b:{wide[1]}}  {c}" for a, b, c in rows)
