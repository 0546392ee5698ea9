"""The journal's format: one JSON object for each thing an execution did.

::

    {"ordinal": 2, "kind": "action", "name": "charge", "result": "receipt-7",
     "started_ms": 1700000000000, "duration_ms": 12.5}
    {"ordinal": 3, "kind": "action", "name": "pack",
     "error": {"type": "shop.Empty", "bases": ["shop.Empty", "Exception"],
               "message": "no stock", "category": "permanent", "traceback": "..."}, ...}

``ordinal`` counts what the function asks for, in program order, from 1. Fields at
their default are left out: ``result`` null, ``attempt`` 1, ``format`` 1.

=========  =================================  ==========================================
kind       name                               result
=========  =================================  ==========================================
action     of the action                      what it returned
emit       of the event                       null
wait       the awaited names, ``a|b``         the event as an object; null: timed out
sleep      empty                              null
start      of the workflow of the child       null
result     ``/`` and the mark of the child    status, result, error_type, message,
                                              category; null: timed out
now        empty                              ms since the epoch
random     empty                              the number
uuid       empty                              its text
undo       of the action                      what it returned
try        of the action                      null; it failed and is to be tried again
undotry    of the action                      null; the same of a compensation
end        empty                              the failure for which it is being undone
patch      its id                             null
refused    of an inbox item                   the fields of what could not be decoded
=========  =================================  ==========================================

``patch``, ``refused`` and ``end`` are not counted: their ordinal is the last one asked
for. ``try`` has the ordinal of its action, and says which try it was and when the next
one is due; the last one counts.
``undo`` goes on counting where the function ended. State, data and compensations have
no entries, for a replay makes them again.

Journals outlive deploys, so this only grows: a field may be added with a default that
old entries mean; a change of what a field means takes the next ``format``. A reader
refuses a format above its own. Must never hold more than the format.
"""

from __future__ import annotations

import msgspec

from workflow_worker.errors import ErrorCategory, InvalidPayload
from workflow_worker.model import Failure

FORMAT = 1

ACTION = "action"
EMIT = "emit"
WAIT = "wait"
SLEEP = "sleep"
START = "start"
RESULT = "result"
NOW = "now"
RANDOM = "random"
UUID = "uuid"
UNDO = "undo"
TRY = "try"
UNDO_TRY = "undotry"
END = "end"
PATCH = "patch"
REFUSED = "refused"

NULL = msgspec.Raw(b"null")


class ChildResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a child ended, as ``result`` entries hold it.

    Attributes:
        status: completed, failed or cancelled.
        result: encoded JSON of what it returned.
        error_type: qualified name of the exception's class, if it failed.
        message: text of the exception.
        category: how it was classified.
    """

    status: str
    result: msgspec.Raw = NULL
    error_type: str = ""
    message: str = ""
    category: ErrorCategory = ErrorCategory.PERMANENT


class End(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an execution is being undone, as ``end`` entries hold it.

    Attributes:
        failure: what its dead letter will say.
        undos: how many compensations were registered.
    """

    failure: Failure
    undos: int


class RecordedError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an action failed, as much of it as survives its process.

    Attributes:
        type: qualified name of the exception's class.
        message: text of the exception.
        category: how it was classified.
        bases: qualified names of that class and its bases.
        traceback: frames of the user's code.
        reason: why it is of this category.
    """

    type: str
    message: str
    category: ErrorCategory
    bases: tuple[str, ...] = ()
    traceback: str = ""
    reason: str = ""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing an execution did, and what came of it.

    Attributes:
        ordinal: its place in program order, from 1.
        kind: what it was.
        name: of the action, event or workflow; see above.
        result: encoded JSON; null where there is an error.
        error: set if it failed.
        started_ms: wall clock in ms since the epoch.
        duration_ms: how long it took.
        attempt: which try this was, from 1.
        due_ms: when the next try is due, by the server's clock.
        format: of the entry.
    """

    ordinal: int
    kind: str
    name: str
    result: msgspec.Raw = NULL
    error: RecordedError | None = None
    started_ms: int = 0
    duration_ms: float = 0.0
    attempt: int = 1
    due_ms: int = 0
    format: int = FORMAT


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


def encode(entry: Entry | ChildResult | End) -> bytes:
    """Return an entry, or a result in one, as it is stored."""
    return _encoder.encode(entry)


def decode(data: bytes) -> Entry:
    """Read a stored entry.

    Raises:
        InvalidPayload: it is damaged, or a newer version wrote it.
    """
    try:
        entry = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError) as err:
        raise InvalidPayload(f"a journal entry can't be read: {err}") from err
    if entry.format > FORMAT:
        raise InvalidPayload(
            f"journal entry {entry.ordinal} has format {entry.format}, but this "
            f"version reads up to {FORMAT}: run the newer one that wrote it"
        )
    return entry
