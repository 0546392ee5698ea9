"""A workflow: the function, and what to know for starting and running it.

Owns what its parameters ask for; annotations are resolved late, when every name of the
user's module exists. Must never run the function.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any

from workflow_worker import codec
from workflow_worker.app import rules
from workflow_worker.errors import DefinitionError
from workflow_worker.model import Event

_declared = itertools.count()


class Workflow:
    """A function that events start, and what to know for running it.

    Attributes:
        fn: the function.
        name: what executions are filed under.
        place: function, file and line, for errors.
        on: names and patterns of the events that start it.
        version: stored on each execution; empty if there is none.
        result_ttl_ms: how long a result is kept; None for the setting's default.
        signals: names of the events that its open executions may wait for.
        timeout_ms: how long an execution may take from its start, waits included; None
            for as long as it takes.
        max_retries: how often its own code is tried again; None for the setting's
            default.
        rank: of two versions, the one declared later has the higher.
        takes_event: whether the function has a second parameter.
        what: its result, for errors.
        payload: what starts it, for errors.
    """

    def __init__(
        self,
        fn: Callable[..., object],
        name: str,
        place: str,
        on: tuple[str, ...],
        version: str = "",
        result_ttl_ms: int | None = None,
        signals: tuple[str, ...] = (),
        timeout_ms: int | None = None,
        max_retries: int | None = None,
    ) -> None:
        self.fn = fn
        self.name = name
        self.place = place
        self.on = on
        self.version = version
        self.result_ttl_ms = result_ttl_ms
        self.signals = signals
        self.timeout_ms = timeout_ms
        self.max_retries = max_retries
        self.rank = next(_declared)
        self.takes_event = len(inspect.signature(fn).parameters) > 1
        self.what = f"result of workflow {name}"
        self.payload = f"payload for workflow {name}"

    def __repr__(self) -> str:
        return f"<Workflow {self.name}: {self.place}>"

    @property
    def ident(self) -> tuple[str, str]:
        """What no other workflow may have: name and version."""
        return self.name, self.version

    @functools.cached_property
    def returns(self) -> Any:
        """What a parent's ``.result()`` gives; Any where the function says nothing.

        Raises:
            DefinitionError: the annotation can't be resolved or has no JSON form.
        """
        found = rules.returned(self.fn, self.place, "returns what can't be a result")
        return Any if found is type(None) else found

    @functools.cached_property
    def accepts(self) -> Any:
        """The payload type the second parameter asks for; None for the event itself.

        Raises:
            DefinitionError: the annotation can't be resolved, or is neither.
        """
        parameters = [*inspect.signature(self.fn).parameters.values()]
        if not self.takes_event or parameters[1].annotation is inspect.Parameter.empty:
            return None
        annotation = rules.resolved(self.fn, parameters[1].annotation, self.place)
        if annotation is Event or annotation is Any:
            return None
        try:
            codec.require_record(annotation)
        except TypeError as err:
            raise DefinitionError(
                f"{self.place} must annotate its second parameter with Event, a "
                f"dataclass, a TypedDict or a msgspec.Struct: {err}"
            ) from err
        return annotation
