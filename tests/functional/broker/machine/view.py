"""All that Redis knows, read at one quiet moment."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import redis

from tests.functional.broker.machine.plan import Entry, signal_of
from workflow_worker.broker.keys import Partition

Fields = dict[str, bytes]
OPEN = ("running", "waiting", "retrying")
CLOSED = ("completed", "failed", "cancelled")


@dataclass
class View:
    """What the keys of a partition hold.

    Attributes:
        entries: the stream, by entry id.
        records: by execution id.
        journals: by execution id, decoded.
        inboxes: by execution id, the hash as it is.
        timers: due times.
        data: fields of the entry that a timer holds.
        early: signals kept for executions to come, by slot.
        fanout: how many deliveries to many are under way.
        opened: executions that take signals, by slot.
        by_status: which executions are listed where.
        stats: the counters.
        letters: the dead letters.
        pending: how many entries are leased.
        now_ms: the clock.
    """

    entries: dict[str, Fields] = field(default_factory=dict)
    records: dict[str, Fields] = field(default_factory=dict)
    journals: dict[str, list[Entry]] = field(default_factory=dict)
    inboxes: dict[str, Fields] = field(default_factory=dict)
    timers: dict[str, float] = field(default_factory=dict)
    data: dict[str, Fields] = field(default_factory=dict)
    early: dict[str, int] = field(default_factory=dict)
    fanout: int = 0
    opened: dict[str, set[str]] = field(default_factory=dict)
    by_status: dict[str, set[str]] = field(default_factory=dict)
    stats: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    letters: list[Fields] = field(default_factory=list)
    pending: int = 0
    now_ms: int = 0

    @property
    def unread(self) -> bool:
        """Whether a take would find something."""
        return len(self.entries) > self.pending or self.fanout > 0

    def status(self, execution_id: str) -> str:
        return self.records[execution_id]["status"].decode()

    def workflow(self, execution_id: str) -> str:
        return self.records[execution_id]["workflow"].decode()

    def with_status(self, *statuses: str) -> list[str]:
        return [i for i in self.records if self.status(i) in statuses]

    def waits_for(self, execution_id: str) -> list[str]:
        names = self.records[execution_id].get("names", b"").decode()
        return [name for name in names.split("\0") if name]

    def inbox(self, execution_id: str) -> list[tuple[int, str, tuple[bytes, ...]]]:
        """Return what an execution has not consumed, in order of arrival."""
        items = []
        for name, packed in self.inboxes.get(execution_id, {}).items():
            place, colon, signal = name.partition(":")
            if colon and place.isdigit():
                sequence, fields = msgspec.msgpack.decode(packed, type=_ITEM)
                items.append((sequence, signal, tuple(map(_raw, fields))))
        return sorted(items)

    def signals_in(self, execution_id: str) -> list[list[Any]]:
        return [
            signal_of(name, fields)
            for _, name, fields in self.inbox(execution_id)
            if not name.startswith("/")
        ]

    def plan(self, execution_id: str) -> Entry:
        plan: Entry = json.loads(self.records[execution_id]["e:payload"])
        return plan

    def history(self, execution_id: str) -> list[list[Entry]]:
        """Return the journals of all runs, each in program order."""
        base = self.records[execution_id].get("base", b"[]")
        runs = [*json.loads(base), self.journals.get(execution_id, [])]
        return [sorted(run, key=lambda entry: int(entry["ordinal"])) for run in runs]

    def outstanding(self, execution_id: str) -> list[str]:
        """Return the entries and put-backs that will make an execution run."""
        record = self.records[execution_id]
        start = (record.get("start") or record["origin"]).decode()
        backed = {m: fields for m, fields in self.data.items() if m[:2] == "p:"}
        return [
            place
            for place, fields in (self.entries | backed).items()
            if (place == start and "parent" not in record)
            or target(fields) == execution_id
        ]


_ITEM = tuple[int, list[msgspec.Raw]]


def _raw(packed: msgspec.Raw) -> bytes:
    """Return a string as Lua's cmsgpack wrote it: it need not be text."""
    data = bytes(packed)
    return data[{0xD9: 2, 0xDA: 3, 0xDB: 5}.get(data[0], 1) :]


def target(fields: Fields) -> str:
    """Return the execution that an internal entry names; empty for any other entry."""
    if "_wake" in fields:
        return fields["_wake"].decode()
    if "_workflow" in fields:
        return f"0-{fields['_origin'].decode()}.{fields['_workflow'].decode()}"
    return ""


def snapshot(client: redis.Redis) -> dict[bytes, bytes | None]:
    """Return the whole database, to be compared."""
    keys: list[Any] = sorted(client.keys("*"))
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.dump(key)
        return dict(zip(keys, pipe.execute(), strict=True))


def look(client: redis.Redis, partition: Partition) -> View:
    """Read everything."""
    prefix = partition.prefix
    names: list[Any] = client.keys(prefix + "*")
    keys = sorted(key.decode().removeprefix(prefix) for key in names)
    wanted = [(key, _READ[_kind(key)]) for key in keys if _kind(key) in _READ]
    with client.pipeline(transaction=False) as pipe:
        for key, read in wanted:
            read(pipe, prefix + key)
        pipe.hgetall(f"{prefix}timer-data")
        pipe.xpending(f"{prefix}events", "workers")
        pipe.time()
        *replies, data, pending, (seconds, microseconds) = pipe.execute()
    now_ms = seconds * 1000 + microseconds // 1000 + partition.ahead_ms
    view = View(pending=pending["pending"], now_ms=now_ms)
    for (key, _), reply in zip(wanted, replies, strict=True):
        _note(view, key, reply)
    for member, packed in data.items():
        flat = list(map(_raw, msgspec.msgpack.decode(packed, type=list[msgspec.Raw])))
        pairs = dict(zip(flat[::2], flat[1::2], strict=True))
        view.data[member.decode()] = _fields(pairs)
    return view


_READ: dict[str, Callable[[Any, str], Any]] = {
    "events": lambda pipe, key: pipe.xrange(key),
    "dead": lambda pipe, key: pipe.xrange(key),
    "x": lambda pipe, key: pipe.hgetall(key),
    "in": lambda pipe, key: pipe.hgetall(key),
    "stats": lambda pipe, key: pipe.hgetall(key),
    "j": lambda pipe, key: pipe.lrange(key, 0, -1),
    "timers": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
    "early:": lambda pipe, key: pipe.zcard(key),
    "open": lambda pipe, key: pipe.zrange(key, 0, -1),
    "by-status": lambda pipe, key: pipe.zrange(key, 0, -1),
    "fanout": lambda pipe, key: pipe.llen(key),
}


def _kind(key: str) -> str:
    kind, colon, _ = key.partition(":")
    return f"{kind}{colon}" if kind == "early" else kind


def _note(view: View, key: str, reply: Any) -> None:
    kind, _, rest = key.partition(":")
    if kind in _PARTS:
        name, parse = _PARTS[kind]
        getattr(view, name)[rest] = parse(reply)
    elif kind == "events":
        view.entries = {i.decode(): _fields(fields) for i, fields in reply}
    elif kind == "timers":
        view.timers = {member.decode(): due for member, due in reply}
    elif kind == "dead":
        view.letters = [_fields(fields) for _, fields in reply]
    elif kind == "stats":
        view.stats.update({name: int(n) for name, n in _fields(reply).items()})
    elif kind == "fanout":
        view.fanout = reply


def _fields(raw: dict[bytes, bytes]) -> Fields:
    return {name.decode(): value for name, value in raw.items()}


def _ids(raw: list[bytes]) -> set[str]:
    return {member.decode() for member in raw}


_PARTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "x": ("records", _fields),
    "in": ("inboxes", _fields),
    "j": ("journals", lambda raw: [json.loads(entry) for entry in raw]),
    "early": ("early", int),
    "open": ("opened", _ids),
    "by-status": ("by_status", _ids),
}
"""Where in the view the many keys of one kind are, and how they are read."""
