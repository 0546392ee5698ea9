"""What is refused where it is declared, each in one sentence with file and line.

Owns the rules for functions, names and arguments of the decorators. Must never keep
anything: every function here looks, and answers or raises :class:`DefinitionError`.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import types
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, TypeGuard, get_type_hints

from workflow_worker import codec
from workflow_worker.app.retry import (
    ErrorRule,
    RetryPolicy,
    is_error_class,
    require_count,
)
from workflow_worker.errors import DefinitionError, ErrorCategory, qualified_name

_NAME = re.compile(r"[\w.-]{1,128}")
"""Names stand in Redis keys and execution ids, whose separators they must not hold."""

_UNFIT = frozenset("*?[\0")
"""Characters that the name of a signal can't have."""


def plain_function(fn: object, role: str, *, generator: bool = False) -> str:
    """Return how errors name the function: its name, file and line.

    Args:
        fn: the function.
        role: what it is declared as.
        generator: it must be one, rather than must not.

    Raises:
        DefinitionError: it is no plain function.
    """
    if not inspect.isfunction(fn):
        raise DefinitionError(f"{role} must be a plain function, but {fn!r} is none")
    place = _place(fn)
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        raise DefinitionError(f"{role} {place} is async: write it with a plain def")
    if generator and not inspect.isgeneratorfunction(fn):
        raise DefinitionError(
            f"{role} {place} must be a generator: yield once, where the action runs"
        )
    if not generator and inspect.isgeneratorfunction(fn):
        raise DefinitionError(f"{role} {place} is a generator: return instead of yield")
    if "." in fn.__qualname__.rpartition("<locals>.")[2]:
        raise DefinitionError(
            f"{role} {place} is a member of a class: declare a function of a module"
        )
    return f"{role} {place}"


def context_and_event(fn: Callable[..., object], place: str) -> None:
    """Require one or two parameters that can be passed by position.

    Raises:
        DefinitionError: the function takes others.
    """
    parameters = inspect.signature(fn).parameters.values()
    by_position = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    fits = all(parameter.kind in by_position for parameter in parameters)
    if not fits or len(parameters) not in (1, 2):
        raise DefinitionError(
            f"{place} must take the context and at most an event or payload, "
            f"but takes {inspect.signature(fn)}"
        )


def parameters(fn: Callable[..., object], place: str, *given: str) -> None:
    """Require that the function can be called with so many values by position.

    Args:
        fn: the function.
        place: its name, file and line.
        given: what each value is, for the error.

    Raises:
        DefinitionError: it can't.
    """
    try:
        inspect.signature(fn).bind(*given)
    except TypeError:
        wanted = " and ".join(given) if given else "nothing"
        raise DefinitionError(
            f"{place} is called with {wanted}, but takes {inspect.signature(fn)}"
        ) from None


def name(given: object, fn: Callable[..., object], place: str) -> str:
    """Return the name to register under: the one given, else the function's.

    Raises:
        DefinitionError: it is no text, or holds what a name must not.
    """
    chosen = fn.__name__ if given is None else given
    if not is_name(chosen):
        raise DefinitionError(
            f"{place} can't be named {chosen!r}: a name is 1 to 128 letters, digits, "
            "dots, dashes and underscores"
        )
    return chosen


def is_name(given: object) -> TypeGuard[str]:
    """Tell whether a workflow or action may have this name."""
    return isinstance(given, str) and _NAME.fullmatch(given) is not None


def event_names(on: object, place: str) -> tuple[str, ...]:
    """Return the names and patterns of ``on=``, each once.

    Raises:
        DefinitionError: there are none, or one can't be used.
    """
    names = [on] if isinstance(on, str) else on
    if not isinstance(names, Iterable):
        raise DefinitionError(f"{place} needs on= an event name or several, not {on!r}")
    found = tuple(dict.fromkeys(_event_name(given, place) for given in names))
    if not found:
        raise DefinitionError(f"{place} needs at least one event name in on=")
    return found


def signal_names(signals: object, place: str) -> tuple[str, ...]:
    """Return the names of ``signals=``, each once.

    Raises:
        DefinitionError: one is no plain name of an event.
    """
    names = [signals] if isinstance(signals, str) else signals
    if not isinstance(names, Iterable):
        raise DefinitionError(
            f"{place} needs signals= an event name or several, not {signals!r}"
        )
    return tuple(dict.fromkeys(_signal_name(given, place) for given in names))


def version(given: object, place: str) -> str:
    """Return the version.

    Raises:
        DefinitionError: it is no text.
    """
    if not isinstance(given, str):
        raise DefinitionError(f"{place} needs its version= as text, not {given!r}")
    return given


def milliseconds(given: object, argument: str, place: str) -> int | None:
    """Return a duration of seconds or timedelta in ms; None for None.

    Raises:
        DefinitionError: it is no positive duration.
    """
    if given is None:
        return None
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not math.isfinite(seconds)
        or seconds <= 0
    ):
        raise DefinitionError(
            f"{place} needs {argument}= a positive number of seconds or a timedelta, "
            f"not {given!r}"
        )
    return max(1, round(seconds * 1000))


def max_retries(given: object, place: str) -> int | None:
    """Return how often to try again; None for what the setting says.

    Raises:
        DefinitionError: it is no whole number from 0.
    """
    require_count(given, place)
    return given if isinstance(given, int) else None


def retry(given: object, most: object, place: str) -> RetryPolicy | None:
    """Return the policy of ``retry=`` with ``max_retries=``; None where neither is.

    Raises:
        DefinitionError: one of them can't be used, or they contradict each other.
    """
    count = max_retries(most, place)
    if given is None:
        return None if count is None else RetryPolicy(count)
    if not isinstance(given, RetryPolicy):
        raise DefinitionError(f"{place} needs retry= a RetryPolicy, not {given!r}")
    if count is None or given.max_retries == count:
        return given
    if given.max_retries is not None:
        raise DefinitionError(
            f"{place} has max_retries={count}, but its retry= says {given.max_retries}"
        )
    return dataclasses.replace(given, max_retries=count)


def error_rule(error: object, category: object) -> ErrorRule:
    """Return the rule for an exception class.

    Raises:
        DefinitionError: it is none, or that is no category.
    """
    if not is_error_class(error):
        raise DefinitionError(f"app.classify needs an exception class, not {error!r}")
    if not isinstance(category, str) or category not in set(ErrorCategory):
        raise DefinitionError(
            f"app.classify needs one of {', '.join(ErrorCategory)} for "
            f"{qualified_name(error)}, not {category!r}"
        )
    return ErrorRule(error, ErrorCategory(category))


def resolved(
    fn: Callable[..., object],
    annotation: object,
    place: str,
) -> Any:
    """Return an annotation as a type, text evaluated where the function stands.

    Raises:
        DefinitionError: it names something that its module doesn't have.
    """
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    names = getattr(inspect.unwrap(fn), "__globals__", {})
    try:
        return get_type_hints(holder, globalns=names, include_extras=True)["it"]
    except Exception as err:
        raise DefinitionError(
            f"{place} has the annotation {annotation!r}, which can't be resolved: {err}"
        ) from err


def returned(fn: Callable[..., object], place: str, fault: str) -> Any:
    """Return what a function's result is decoded to; Any where it doesn't say.

    Args:
        fn: the function.
        place: its name, file and line.
        fault: what is wrong with a type that has no JSON form, for the error.

    Raises:
        DefinitionError: the annotation can't be resolved or has no JSON form.
    """
    found = inspect.signature(fn).return_annotation
    if found is inspect.Signature.empty:
        return Any
    annotation = codec.plain(resolved(fn, found, place))
    try:
        codec.require_type(annotation)
    except TypeError as err:
        raise DefinitionError(f"{place} {fault}: {err}") from err
    return annotation


def _signal_name(given: object, place: str) -> str:
    # NUL separates names in a record; what begins with a slash is a child's result.
    if (
        not isinstance(given, str)
        or not given
        or given.startswith("/")
        or not _UNFIT.isdisjoint(given)
        or not _is_utf8(given)
    ):
        raise DefinitionError(
            f"{place} needs in signals= names of events, without *, ? and [, not "
            f"{given!r}"
        )
    return given


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _event_name(given: object, place: str) -> str:
    if not isinstance(given, str) or not given:
        raise DefinitionError(f"{place} needs event names in on=, not {given!r}")
    # Redis matches bytes: a set of characters that take several can't be said there.
    if "[" in given and not given.isascii():
        raise DefinitionError(
            f"{place} can't be started by the pattern {given!r}: with [ ] a pattern "
            "must be ASCII"
        )
    return given


def _place(fn: types.FunctionType) -> str:
    code = inspect.unwrap(fn).__code__
    return f"{fn.__qualname__} ({code.co_filename}:{code.co_firstlineno})"
