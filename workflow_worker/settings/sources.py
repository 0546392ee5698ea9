"""Gathers the settings: flag, then environment, then ``.env``, then default.

Owns the environment: nothing else in the project reads it. It must never show a secret
in an error.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dotenv.parser import parse_stream

from workflow_worker.errors import ConfigurationError
from workflow_worker.settings.table import Row, Settings, table

FLAG, ENVIRONMENT, DOTENV = "flag", "environment", ".env"
"""Where a value can come from; the first one that has it wins."""


def load(
    flags: Mapping[str, str | None] = MappingProxyType({}),
    environ: Mapping[str, str] | None = None,
    dotenv: Path | None = Path(".env"),
) -> Settings:
    """Gather the settings: flag, then environment, then ``.env``, then default.

    Args:
        flags: text by field name; None where the flag was not given.
        environ: variables; this process's own by default. Empty ones count as unset.
        dotenv: a file of variables, in the working directory by default; None or a
            missing file is as good as an empty one.

    Raises:
        ConfigurationError: a value is wrong; the text names it and what is accepted.
    """
    variables = os.environ if environ is None else environ
    sources = {ENVIRONMENT: variables, DOTENV: _read_dotenv(dotenv)}
    values: dict[str, Any] = {}  # each row reads what its field is
    origins: dict[str, str] = {}
    for row in table():
        found = _find(row, flags.get(row.name), sources)
        if found is not None:
            origins[row.env], text = found
            values[row.name] = _parse(row, origins[row.env], text.strip())
    settings = dataclasses.replace(Settings(), origins=origins, **values)
    _check_together(settings)
    return settings


def _find(
    row: Row, flag: str | None, sources: Mapping[str, Mapping[str, str | None]]
) -> tuple[str, str] | None:
    if flag is not None:
        return FLAG, flag
    for origin, variables in sources.items():
        text = variables.get(row.env)
        # Compose files and unit templates write NAME= for what they leave open.
        if text and text.strip():
            return origin, text
    return None


def _parse(row: Row, origin: str, text: str) -> int | str | None:
    try:
        return row.kind.read(text)
    except ValueError:
        shown = row.kind.show(text)
        shown = repr(shown if len(shown) <= 80 else f"{shown[:77]}...")  # noqa: PLR2004 - a line
        place = f"{origin} {row.flag}" if origin == FLAG else origin
        # Without the cause: its text would tell what is masked here.
        raise ConfigurationError(
            f"{row.env} is {shown} ({place}), but must be {row.kind.accepts}"
        ) from None


def _read_dotenv(path: Path | None) -> Mapping[str, str | None]:
    if path is None or not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = list(parse_stream(file))
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} can't be read: it is no UTF-8") from error
    for line in lines:
        if line.error:
            text = line.original.string
            blank = text[: len(text) - len(text.lstrip())].count("\n")
            # Without the line itself: it may hold a secret.
            raise ConfigurationError(
                f"{path}: line {line.original.line + blank} must be like NAME=VALUE"
            )
    # Literally: a password may well hold a ${.
    return {line.key: line.value for line in lines if line.key is not None}


_ORDERED = (
    ("retry_base_ms", "retry_max_ms", "the backoff grows from the one to the other"),
    ("poll_interval_ms", "lease_ms", "orphans are looked for between two reads"),
    ("poll_interval_ms", "hang_timeout_ms", "an idle worker would be taken for hung"),
)
"""Pairs of which the first may not exceed the second, and why."""


def _check_together(settings: Settings) -> None:
    for low, high, reason in _ORDERED:
        small, large = getattr(settings, low), getattr(settings, high)
        if small > large:
            raise ConfigurationError(
                f"{low.upper()} is {small}, but must be at most {high.upper()}, "
                f"which is {large}: {reason}"
            )
