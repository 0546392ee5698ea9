"""What a request may ask: query parameters and bodies, decoded strictly.

Owns their names, kinds and limits; the OpenAPI description is made of the same types.
An unknown name is refused: a filter with a typing error would choose everything.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from flask import abort, request
from msgspec import UNSET, Meta, UnsetType

from workflow_worker import codec
from workflow_worker.errors import InvalidPayload
from workflow_worker.model import Json

S = TypeVar("S", bound=msgspec.Struct)

MOST = 1000
"""Most executions or letters one request reads or changes."""
_LETTER_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")

Text = Annotated[str, Meta(max_length=512)]
"""A filter; empty for none."""
LetterId = Annotated[
    str, Meta(max_length=39, extra_json_schema={"pattern": f"^{_LETTER_ID.pattern}$"})
]
After = Annotated[
    str,
    Meta(max_length=39, extra_json_schema={"pattern": f"^({_LETTER_ID.pattern})?$"}),
]
Age = Annotated[float, Meta(ge=0, le=10**10)]
Limit = Annotated[int, Meta(ge=1, le=MOST)]


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which executions are listed: those that fit all that is given."""

    status: Literal[
        "", "running", "waiting", "retrying", "completed", "failed", "cancelled"
    ] = ""
    workflow: Text = ""
    key: Text = ""
    limit: Limit = 100


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameter at all."""


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters: those that fit all that is given, the oldest first.

    Attributes:
        workflow: only those of this one.
        error: only those of this error: ``shop.Empty``, or ``Empty``.
        olderThanSeconds: only those written at least so long ago.
        after: id of a letter; only those that came later.
        limit: most letters.
    """

    workflow: Text = ""
    error: Text = ""
    olderThanSeconds: Age | UnsetType = UNSET  # noqa: N815 - its name over HTTP
    after: After = ""
    limit: Limit = 100

    def __post_init__(self) -> None:
        if self.after:
            _require_letter_id(self.after)

    @property
    def chosen(self) -> dict[str, Any]:
        """The filters as the client's methods take them."""
        age = self.olderThanSeconds
        return {
            "workflow": self.workflow or None,
            "error_type": self.error or None,
            "older_than": None if age is UNSET else age,
        }


class Choice(Filters, frozen=True, forbid_unknown_fields=True):
    """Which dead letters are changed.

    Attributes:
        ids: of letters; no limit applies to them.
        all: needed where nothing else is said.
    """

    ids: Annotated[list[LetterId], Meta(max_length=MOST)] = []
    all: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in self.ids:
            _require_letter_id(each)
        said = any(value is not None for value in self.chosen.values())
        if not (self.ids or self.all or said):
            raise ValueError(
                "which dead letters? Give ids, workflow, error, olderThanSeconds or all"
            )


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signal for an execution.

    Attributes:
        name: of the signal.
        payload: what comes with it.
        id: makes it idempotent; empty for none.
    """

    name: Annotated[str, Meta(min_length=1, max_length=512)]
    payload: Json = {}
    id: Annotated[str, Meta(max_length=512)] = ""


def _require_letter_id(text: str) -> None:
    # Not by msgspec: a pattern's $ fits before a last line feed too.
    if not _LETTER_ID.fullmatch(text):
        raise ValueError(f"{text!r} can't be the id of a dead letter: 1767323045678-0")


def query(kind: type[S]) -> S:
    """Return the query parameters.

    Raises:
        InvalidPayload: one is unknown, given twice or not what it must be.
    """
    given = request.args.to_dict(flat=False)
    names = [each.name for each in msgspec.structs.fields(kind)]
    for name, values in given.items():
        if name not in names:
            raise InvalidPayload(
                f"query: there is no parameter {name!r}; accepted is "
                f"{', '.join(names) or 'none'}"
            )
        if len(values) > 1:
            raise InvalidPayload(f"query: parameter {name} is given more than once")
    flat = {name: values[0] for name, values in given.items()}
    found: S = codec.convert(flat, kind, "query", strict=False)
    return found


def body(kind: type[S]) -> S:
    """Return the body; where there is none, as if it were an empty object.

    Raises:
        InvalidPayload: it is no JSON, or not what it must be.
        HTTPException: it is not declared as JSON.
    """
    query(Nothing)
    data = request.get_data()
    if data and request.mimetype != "application/json":
        abort(415, "a body must be JSON: Content-Type: application/json")
    found: S = codec.decode(data or b"{}", kind, "body")
    return found
