"""Dead letters: reading them, and what can be done about them.

Owns what a letter looks like to people and programs, as a value and as JSON. Must show
whatever it finds: it is what could not be understood that ends here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from workflow_worker.broker import scripts
from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.executions import stamp
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.packed import as_text, pairs, unpacked
from workflow_worker.model import Json

PAGE = 100
"""Most letters in one round trip."""
PAGE_BYTES = 256 * 1024
"""About how much is read in one round trip."""
_ID = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)
_OWN_FIELDS = frozenset(
    ("name", "payload", "key", "id", "execution_id", "published_at", "headers")
)


class DeadLetter(msgspec.Struct, frozen=True):
    """An event that could not be executed, kept whole until a person decides.

    Attributes:
        id: of the letter; it begins with the ms at which it was written.
        event_name: name of the event, empty if it had none.
        workflow: which workflow failed, empty if none was reached.
        execution_id: which execution failed, or had no room for a signal; empty if
            none was reached.
        category: transient, recoverable or permanent.
        reason: why it is of this category, empty if nothing was to be judged.
        error_type: qualified name of the error's class.
        message: its text.
        traceback: where it happened, empty if no user code was involved.
        action: name of the action whose error it was; empty for the workflow's own.
        attempts: how often it was tried, by what failed: the action or the workflow.
        deliveries: how often the event was handed out.
        exit: how the last worker that it took down ended; empty if it took none down.
        first_tried_at: when it was begun first, by the server's clock, in UTC; None if
            the letter does not say.
        last_tried_at: when it was given up, likewise.
        entry: id of the stream entry that carried it last.
        fields: the event's own fields as they stood in the stream.
    """

    id: str
    event_name: str
    workflow: str
    execution_id: str
    category: str
    reason: str
    error_type: str
    message: str
    traceback: str
    action: str
    attempts: int
    deliveries: int
    exit: str
    first_tried_at: datetime | None
    last_tried_at: datetime | None
    entry: str
    fields: dict[str, bytes]

    @property
    def event_id(self) -> str:
        """The event's id: what its publisher gave, else its first entry's."""
        given = self.fields.get("id") or self.fields.get("_origin")
        return as_text(given) if given else self.entry

    @property
    def payload(self) -> Any:
        """What came with the event: plain JSON types, or text if it is no JSON."""
        return _value(self.fields.get("payload", b"{}"))

    @property
    def headers(self) -> Json:
        """The event's other fields, and those inside of ``headers``, which overrule."""
        found: Json = {
            name: as_text(value)
            for name, value in self.fields.items()
            if name not in _OWN_FIELDS and not name.startswith("_")
        }
        inside = _value(self.fields.get("headers", b"{}"))
        return found | (inside if isinstance(inside, dict) else {"headers": inside})

    def as_object(self) -> Json:
        """Return it as a JSON object."""
        return {
            "id": self.id,
            "event": {
                "name": self.event_name,
                "key": as_text(self.fields.get("key", b"")) or self.event_id,
                "id": self.event_id,
                "payload": self.payload,
                "headers": self.headers,
            },
            "workflow": self.workflow,
            "executionId": self.execution_id,
            "category": self.category,
            "reason": self.reason,
            "errorType": self.error_type,
            "message": self.message,
            "traceback": self.traceback,
            "action": self.action,
            "attempts": self.attempts,
            "deliveries": self.deliveries,
            "exit": self.exit,
            "firstTriedAt": stamp(self.first_tried_at),
            "lastTriedAt": stamp(self.last_tried_at),
        }


class Selection(msgspec.Struct, frozen=True):
    """Which letters are meant: those that fit all that is given.

    Attributes:
        ids: of letters; all if none is given.
        workflow: name of the one that failed.
        error_type: class of the error, qualified or the last part of that.
        upto: id of the last letter; what came later is not meant. Empty for no letter.
    """

    ids: tuple[str, ...] = ()
    workflow: str | None = None
    error_type: str | None = None
    upto: str = "+"

    def fits(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is meant, its id aside."""
        kind = self.error_type
        return self.workflow in (None, letter.workflow) and (
            kind is None or f".{letter.error_type}".endswith(f".{kind}")
        )


def last(link: Link, partition: Partition, older_than_ms: int | None = None) -> str:
    """Return the id of the last letter there is; empty for none.

    Args:
        link: connection.
        partition: where.
        older_than_ms: of those that are at least so old, by the server's clock.
    """
    upto = "+"
    if older_than_ms is not None:
        seconds, micros = link.call("TIME")
        upto = str(max(0, int(seconds) * 1000 + int(micros) // 1000 - older_than_ms))
    rows = link.call("XREVRANGE", partition.dead, upto, "-", "COUNT", 1)
    return rows[0][0].decode() if rows else ""


def stored(link: Link, partition: Partition) -> int:
    """Return how many letters there are."""
    return int(link.call("XLEN", partition.dead))


class Reading:
    """Reads the letters of a selection in bounded pages, oldest first, or as named."""

    def __init__(self, selection: Selection, after: str = "-") -> None:
        self._selection = selection
        self._ids = list(dict.fromkeys(selection.ids))
        self._start = "-" if after == "-" else f"({after}"
        self._count = 10
        self.over = not selection.upto
        """True once there is nothing more to read."""
        self.missing: list[str] = self._ids if self.over else []
        """Of the ids read so far those for which there is no letter that fits."""

    def page(self, link: Link, partition: Partition) -> list[DeadLetter]:
        """Return the next letters that fit; none in a page does not mean the end."""
        if not self._selection.ids:
            return self._fitting(self._next(link, partition))
        ids, self._ids = self._ids[:10], self._ids[10:]
        self.over = not self._ids
        letters = self._fitting(_named(link, partition, ids, self._selection.upto))
        found = {letter.id for letter in letters}
        self.missing += [each for each in ids if each not in found]
        return letters

    def _fitting(self, rows: list[Reply]) -> list[DeadLetter]:
        letters = (_letter(row[0].decode(), pairs(row[1])) for row in rows)
        return [letter for letter in letters if self._selection.fits(letter)]

    def _next(self, link: Link, partition: Partition) -> list[Reply]:
        place = (self._start, self._selection.upto)
        count = self._count
        rows: list[Reply] = link.call("XRANGE", partition.dead, *place, "COUNT", count)
        if len(rows) < count:
            self.over = True
            return rows
        self._start = f"({rows[-1][0].decode()}"
        size = sum(len(value) for _, fields in rows for value in fields)
        self._count = max(1, min(PAGE, PAGE_BYTES * count // max(1, size)))
        return rows


def _named(link: Link, partition: Partition, ids: list[str], upto: str) -> list[Reply]:
    known = [
        i for i in ids if _ID.fullmatch(i) and (upto == "+" or _at(i) <= _at(upto))
    ]
    rows: list[Reply] = []
    for reply in link.calls([("XRANGE", partition.dead, i, i) for i in known]):
        if isinstance(reply, Exception):
            raise reply
        rows += reply
    return rows


def _at(letter_id: str) -> tuple[int, int]:
    ms, _, sequence = letter_id.partition("-")
    return int(ms), int(sequence)


def redrive(
    link: Link,
    partition: Partition,
    ids: Sequence[str],
    *,
    early_ttl_ms: int,
    inbox_limit: int,
    dedup_ttl_ms: int,
) -> tuple[int, list[str]]:
    """Give letters another try, each whole or not; say what came of each.

    ``gone`` for a letter means after a lost reply that the first call did it, unless
    somebody else did: it is told as done, like the others.

    Returns:
        How many events are in the stream now, and the answers of redrive.lua.
    """
    limits = (early_ttl_ms, inbox_limit, dedup_ttl_ms)
    found, again = scripts.run_twice(link, "redrive", partition, *limits, *ids)
    if again:
        found = [found[0], *(b"again" if a == b"gone" else a for a in found[1:])]
    return found[0], [answer.decode("utf-8", "replace") for answer in found[1:]]


def purge(link: Link, partition: Partition, ids: Sequence[str]) -> list[int]:
    """Remove letters, and the failed executions behind them.

    Returns:
        For each letter 2 if it is gone with its execution, 1 if it had none, 0 if it
        was gone before; after a lost reply that means as for :func:`redrive`.
    """
    found, again = scripts.run_twice(link, "purge", partition, *ids)
    return [each or 1 for each in found] if again else found


# --- reading one ------------------------------------------------------------------


def _letter(letter_id: str, found: dict[str, bytes]) -> DeadLetter:
    fields = {name[2:]: value for name, value in found.items() if name[:2] == "e:"}
    if "packed" in found:
        fields = pairs(unpacked(found["packed"]))

    def text(name: str) -> str:
        return found.get(name, b"").decode("utf-8", "replace")

    def number(name: str) -> int:
        digits = found.get(name, b"")
        return int(digits) if digits.isdigit() else 0

    return DeadLetter(
        id=letter_id,
        event_name=as_text(fields.get("name", b"")),
        workflow=text("workflow"),
        execution_id=text("execution_id"),
        category=text("category"),
        reason=text("reason"),
        error_type=text("error_type"),
        message=text("message"),
        traceback=text("traceback"),
        action=text("action"),
        attempts=number("attempts"),
        deliveries=number("deliveries"),
        exit=text("exit"),
        first_tried_at=_instant(number("first_ms")),
        last_tried_at=_instant(number("last_ms")),
        entry=text("entry"),
        fields=fields,
    )


def _instant(ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC) if ms else None
    except (ValueError, OverflowError, OSError):
        return None


def _value(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return as_text(raw)
