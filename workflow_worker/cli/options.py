"""Turns the table of settings into options of a command.

Owns that every setting has a flag. It must never check a value: settings do, so that a
flag, a variable and a line of ``.env`` are refused in the same words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import click

from workflow_worker.settings import Row, table

F = TypeVar("F", bound=Callable[..., object])

Flags = dict[str, str | None]
"""What was given on the command line, by field of the settings."""


def settings_options(*names: str) -> Callable[[F], F]:
    """Add the flags of some settings to a command, of all if none is named.

    The command gets the text of each as a keyword argument, None if it was not given.
    """
    rows = [row for row in table() if not names or row.name in names]

    def add(command: F) -> F:
        for row in reversed(rows):
            command = _option(row)(command)
        return command

    return add


def _option(row: Row) -> Callable[[F], F]:
    about = f"{row.help} [{row.env}; default: {row.default}]"
    return click.option(row.flag, row.name, metavar=row.kind.metavar, help=about)


def examples(*lines: str) -> str:
    """Return the lines of examples that end a command's help, unwrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def json_option(command: F) -> F:
    """Add ``--json`` to a command that reads."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


LONGEST = 100 * 365 * 86_400
"""Seconds; about 100 years."""


def seconds(text: str) -> float:
    """Read a duration, as the type of an option.

    Raises:
        BadParameter: it is none, or longer than about 100 years.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= LONGEST:
        raise click.BadParameter(f"{text!r} is no number of seconds from 0.")
    return found
