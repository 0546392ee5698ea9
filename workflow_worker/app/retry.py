"""How often, and how long after, something that failed is tried again.

Owns what is declared about errors, not the arithmetic. Must never decide what an error
is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeGuard

from workflow_worker.errors import DefinitionError, ErrorCategory, qualified_name


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How an action is retried; what is not given is as the settings say.

    Attributes:
        max_retries: tries after the first one; 0 for none. ``MAX_RETRIES``.
        base: seconds or timedelta: upper bound of the first delay, doubled with every
            further one. ``RETRY_BASE_MS``.
        maximum: seconds or timedelta: no delay is longer. ``RETRY_MAX_MS``, or ``base``
            where that is longer.
        jitter: a delay is drawn from 0 to its bound; False for the bound itself.
        retry_on: exception classes to retry, though they be permanent otherwise.
        give_up_on: exception classes not to retry, whatever they are otherwise. Of two
            classes that fit, the one nearer to the error counts.

    Raises:
        DefinitionError: a value can't be used.
    """

    max_retries: int | None = None
    base: float | timedelta | None = None
    maximum: float | timedelta | None = None
    jitter: bool = True
    retry_on: tuple[type[BaseException], ...] = ()
    give_up_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what can't be used; a single class or a list becomes a tuple."""
        require_count(self.max_retries, "RetryPolicy")
        base = _seconds(self.base, "base")
        maximum = _seconds(self.maximum, "maximum")
        if base is not None and maximum is not None and base > maximum:
            raise DefinitionError(
                f"RetryPolicy has base={self.base!r}, more than its "
                f"maximum={self.maximum!r}"
            )
        for name in ("retry_on", "give_up_on"):
            object.__setattr__(self, name, _classes(getattr(self, name), name))


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """What an exception class asks for, as an App declares it."""

    error: type[BaseException]
    category: ErrorCategory

    @property
    def ident(self) -> tuple[str, str]:
        """What no other rule may be for."""
        return qualified_name(self.error), ""

    @property
    def place(self) -> str:
        """How errors name it."""
        return f"app.classify({qualified_name(self.error)}, {self.category})"


def require_count(given: object, what: str) -> None:
    """Require None or a whole number from 0 as ``max_retries``.

    Raises:
        DefinitionError: it is neither.
    """
    fits = isinstance(given, int) and not isinstance(given, bool) and given >= 0
    if given is not None and not fits:
        raise DefinitionError(
            f"{what} needs max_retries= a whole number from 0, not {given!r}"
        )


def is_error_class(given: object) -> TypeGuard[type[BaseException]]:
    """Tell whether this is a class of exceptions."""
    return isinstance(given, type) and issubclass(given, BaseException)


def _seconds(given: object, argument: str) -> float | None:
    if given is None:
        return None
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or seconds <= 0:  # type: ignore[arg-type,operator]
        raise DefinitionError(
            f"RetryPolicy needs {argument}= a positive number of seconds or a "
            f"timedelta, not {given!r}"
        )
    return float(seconds)  # type: ignore[arg-type]


def _classes(given: object, argument: str) -> tuple[type[BaseException], ...]:
    several = given if isinstance(given, Iterable) else (given,)
    found = tuple(several)
    for one in found:
        if not is_error_class(one):
            raise DefinitionError(
                f"RetryPolicy needs {argument}= exception classes, not {one!r}"
            )
    return found
