"""``wfworker publish``: one event, or many alike, from the command line.

Owns reading a payload from argument, file or stdin. Encoding and limits are the
client's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click

from workflow_worker.cli.options import examples, json_option, settings_options
from workflow_worker.errors import ConfigurationError
from workflow_worker.model import Json
from workflow_worker.settings import load

EXAMPLES = examples(
    'wfworker publish order.placed \'{"order_id": "o-1"}\' --key o-1',
    "wfworker publish order.placed @order.json --id o-1",
    "generate | wfworker publish order.placed - --count 100",
)


@click.command("publish", epilog=EXAMPLES)
@click.argument("name")
@click.argument("payload", metavar="[JSON|-|@FILE]", default="{}")
@click.option("--key", help="Business key; the event's id by default.")
@click.option("--id", "event_id", help="Published twice with it, it runs once.")
@click.option(
    "--count", type=click.IntRange(min=1), default=1, help="Publish it so often."
)
@settings_options("redis_url", "workflow_namespace")
@json_option
def command(
    name: str,
    payload: str,
    key: str | None,
    event_id: str | None,
    count: int,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Publish an event NAME with a JSON object as payload; prints its id.

    The payload is an argument, comes from stdin (-) or from a file (@FILE).
    """
    if event_id and count > 1:
        raise click.UsageError("--id makes events one event; it excludes --count.")
    event = {"name": name, "payload": read(payload), "key": key, "id": event_id}
    ids = _send(event, count, flags)
    click.echo(json.dumps({"ids": ids}) if as_json else "\n".join(ids))


def _send(event: Json, count: int, flags: dict[str, str | None]) -> list[str]:
    from workflow_worker.client import Client  # noqa: PLC0415 - redis, only when needed

    settings = load(flags)
    with Client(
        redis_url=settings.redis_url, namespace=settings.workflow_namespace
    ) as client:
        if count == 1:
            return [client.publish(**event)]
        return client.publish_many(_copies(event, count))


def _copies(event: Json, count: int) -> Iterator[Json]:
    for _ in range(count):
        yield event


def read(text: str) -> Json:
    """Return the payload that an argument names or is.

    Raises:
        ConfigurationError: it can't be read, is not JSON, or is no object.
    """
    try:
        payload = json.loads(_source(text), parse_constant=_refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise ConfigurationError(
            f"the payload is no JSON: {error.msg} at {place}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the payload is no JSON: {error}") from error
    if not isinstance(payload, dict):
        raise ConfigurationError(
            f"the payload must be a JSON object, not {_KINDS[type(payload)]}"
        )
    return payload


_KINDS = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def _source(text: str) -> str | bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{text[1:]} can't be read: {error.strerror}"
        ) from error


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is none of its numbers")
