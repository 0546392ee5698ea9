"""``wfworker publish``: one event, or many alike, from the command line.

Owns reading a payload from argument, file or stdin, and what can't be asked for
together. Encoding and limits are the client's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click

from workflow_worker.cli.connected import connected
from workflow_worker.cli.options import (
    Flags,
    examples,
    json_option,
    seconds,
    settings_options,
)
from workflow_worker.errors import ConfigurationError, WorkflowWorkerError
from workflow_worker.model import Json

EXAMPLES = examples(
    'wfworker publish order.placed \'{"order_id": "o-1"}\' --key o-1',
    "wfworker publish order.placed @order.json --id o-1",
    "generate | wfworker publish order.placed - --count 100",
    "wfworker publish invoice.due --delay 3600",
    "wfworker publish order.placed @order.json --wait --timeout 30",
)


@click.command("publish", epilog=EXAMPLES)
@click.argument("name")
@click.argument("payload", metavar="[JSON|-|@FILE]", default="{}")
@click.option("--key", help="Business key; the event's id by default.")
@click.option("--id", "event_id", help="Published twice with it, it runs once.")
@click.option(
    "--count", type=click.IntRange(min=1), default=1, help="Publish it so often."
)
@click.option("--delay", type=seconds, help="It appears after so long.")
@click.option(
    "--wait", is_flag=True, help="Wait until what it starts ended; print the result."
)
@click.option("--timeout", type=seconds, help="How long; by default for ever.")
@settings_options("redis_url", "workflow_namespace")
@json_option
def command(
    name: str,
    payload: str,
    key: str | None,
    event_id: str | None,
    count: int,
    delay: float | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Publish an event NAME with a JSON object as payload; prints its id.

    The payload is an argument, comes from stdin (-) or from a file (@FILE).

    With --wait, prints as JSON what the workflow returned; a list where the event
    starts several. Exit status 1 if one failed, or did not end within the timeout.
    """
    if event_id and count > 1:
        raise click.UsageError("--id makes events one event; it excludes --count.")
    if wait and count > 1:
        raise click.UsageError("--wait is for one event; it excludes --count.")
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is how long to --wait.")
    event: Json = {"name": name, "payload": read(payload), "delay": delay}
    event |= {"key": key, "id": event_id}
    if wait:
        click.echo(json.dumps(_result(event, timeout, flags)))
        return
    ids = _send(event, count, flags)
    click.echo(json.dumps({"ids": ids}) if as_json else "\n".join(ids))


def _result(event: Json, timeout: float | None, flags: Flags) -> object:
    with connected(flags) as client:
        try:
            return client.publish(**event, wait=True, timeout=timeout)
        except TimeoutError as error:
            raise WorkflowWorkerError(str(error)) from error


def _send(event: Json, count: int, flags: Flags) -> list[str]:
    with connected(flags) as client:
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
