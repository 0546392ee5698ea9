"""What ``.submit`` gives: the result of an action, some time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Future(Protocol[R_co]):
    """The result of an action that may still run."""

    def result(self) -> R_co:
        """Wait for the action; return its result, as calling it would.

        Raises:
            ActionFailed: inside a workflow, whatever the function raised.
            InvalidPayload: inside a workflow, the result is not what is annotated.
            OutsideWorkflowError: not in the thread of the workflow that submitted it.
        """


class Settled(Generic[R]):
    """The future of a plain function, which has run when this is made."""

    def __init__(
        self,
        fn: Callable[..., R],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        self._error: Exception | None = None
        try:
            self._value = fn(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error

    def result(self) -> R:
        """Return what the function returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._value
