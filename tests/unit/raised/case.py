"""An error to be judged, and what is to be made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from workflow_worker import ErrorCategory

T, R, P = ErrorCategory.TRANSIENT, ErrorCategory.RECOVERABLE, ErrorCategory.PERMANENT

NOWHERE = "127.0.0.1:1"
"""Where nothing listens."""


class Case(NamedTuple):
    """An error, and what is to be made of it.

    Attributes:
        name: of the case.
        make: raises it, or returns it.
        category: that it is to have.
        rule: the name in the table that is to decide; or how the reason begins.
    """

    name: str
    make: Callable[[], object]
    category: ErrorCategory
    rule: str

    def error(self) -> BaseException:
        """Return the exception, raised as it would be."""
        try:
            made = self.make()
        except BaseException as raised:  # noqa: BLE001 - whatever it is
            return raised
        assert isinstance(made, BaseException), f"{self.name} raised nothing"
        return made


def alike(name: str, *bases: type[Exception]) -> type[Exception]:
    """Return a class that is named like one of a library that is not installed."""
    module, _, own = name.rpartition(".")
    return type(own, bases or (Exception,), {"__module__": module})
