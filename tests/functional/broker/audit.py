"""What must be true of a database at any quiet moment, whatever was done before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import redis

from workflow_worker.broker.keys import Partition

CLOSED = {"completed", "failed", "cancelled"}
OURS = {
    *("events", "bell", "timers", "timer-data", "expiry", "early", "fanout"),
    *("dead", "stats", "routes", "fence"),
}
"""Keys that a partition has at most once."""

Fields = dict[str, str]


class Books:
    """A reading of the whole keyspace, and the invariants it has to satisfy."""

    def __init__(self, client: redis.Redis, partition: Partition) -> None:
        self.client = client
        self.prefix = partition.prefix
        names = (text(key) for key in client.keys(f"{partition.prefix}*"))
        self.names = {name.removeprefix(partition.prefix) for name in names}
        self.stats = Counter(
            {name: int(value) for name, value in self.map("stats").items()}
        )
        self.records = {name[2:]: self.map(name) for name in self.of("x:")}
        self.expiring = set(self.members("expiry"))

    def check(self) -> None:
        self.every_key_is_owned()
        self.listings_match_the_records()
        self.started_are_ended_or_open()
        self.signals_are_somewhere()
        self.running_means_one_wake()
        self.timers_belong_to_waits()
        self.what_failed_has_its_letter()

    # --- the invariants

    def every_key_is_owned(self) -> None:
        for name in self.names:
            kind, _, rest = name.partition(":")
            owned: dict[str, Callable[[str], bool]] = {
                "x": self.is_kept,
                "j": lambda rest: rest in self.records,
                "in": self.may_have_an_inbox,
                "open": lambda _, name=name: all(map(self.is_open, self.members(name))),
                "early": lambda rest: rest in self.members("early"),
                "late": lambda _, name=name: self.expires(name),
                "once": lambda _, name=name: self.expires(name),
                "by-status": lambda _: True,
                "quarantine": lambda _, name=name: self.expires(name),
                "lock": lambda _, name=name: self.expires(name),
            }
            assert name in OURS or owned[kind](rest), f"{name} has no owner"

    def listings_match_the_records(self) -> None:
        listed = {
            (execution_id, name.removeprefix("by-status:"))
            for name in self.of("by-status:")
            for execution_id in self.members(name)
        }
        said = {(name, record["status"]) for name, record in self.records.items()}
        assert listed == said

    def started_are_ended_or_open(self) -> None:
        ended = sum(self.stats[f"executions_{status}"] for status in CLOSED)
        still_open = sum(map(self.is_open, self.records))
        assert self.stats["executions_started"] == ended + still_open

    def signals_are_somewhere(self) -> None:
        stats, waiting = self.stats, sum(map(self.signals_in, self.of("in:")))
        gone = stats["signals_consumed"] + stats["signals_unconsumed"]
        assert stats["signals_delivered"] == gone + waiting
        early = sum(len(self.members(name)) for name in self.of("early:"))
        assert stats["signals_early"] >= stats["signals_expired"] + early

    def running_means_one_wake(self) -> None:
        outstanding = list(self.outstanding())
        for execution_id, record in self.records.items():
            wakes = [o for o in outstanding if wakes_it(o, execution_id, record)]
            expected = 1 if record["status"] == "running" else 0
            assert len(wakes) == expected, (execution_id, record["status"], wakes)

    def timers_belong_to_waits(self) -> None:
        timers = self.members("timers")
        for timer in timers:
            if timer.startswith("w:"):
                assert {"due", "again"} & set(self.records[timer[2:]]), timer
        for execution_id, record in self.records.items():
            if record["status"] == "retrying":
                assert "again" in record, execution_id
                assert "retry" in record, execution_id
            if record["status"] in {"waiting", "retrying"}:
                timed = "due" in record or "again" in record
                assert timed == (f"w:{execution_id}" in timers), execution_id
        holding = {timer for timer in timers if not timer.startswith("w:")}
        assert holding == set(self.map("timer-data"))

    def what_failed_has_its_letter(self) -> None:
        letters = {
            text(at): {text(name): text(value) for name, value in fields.items()}
            for at, fields in self.client.xrange(f"{self.prefix}dead")
        }
        for execution_id, record in self.records.items():
            if record["status"] == "failed":
                letter = letters[record["dead"]]
                assert letter["execution_id"] == execution_id
        full = [
            each for each in letters.values() if each.get("error_type") == "InboxFull"
        ]
        assert self.stats["signals_dead"] >= len(full)

    # --- what they are made of

    def of(self, prefix: str) -> list[str]:
        return [name for name in self.names if name.startswith(prefix)]

    def map(self, name: str) -> Fields:
        found = self.client.hgetall(self.prefix + name)
        return {text(field): text(value) for field, value in found.items()}

    def members(self, name: str) -> list[str]:
        found = self.client.zrange(self.prefix + name, 0, -1)
        return [text(member) for member in found]

    def expires(self, name: str) -> bool:
        return self.client.pttl(self.prefix + name) > 0

    def is_open(self, execution_id: str) -> bool:
        record = self.records.get(execution_id)
        return record is not None and record["status"] not in CLOSED

    def may_have_an_inbox(self, execution_id: str) -> bool:
        """One that ended keeps what its children told, for a retry."""
        if self.is_open(execution_id):
            return True
        record = self.records.get(execution_id, {"status": "completed"})
        return record["status"] != "completed" and not self.signals_in(
            f"in:{execution_id}"
        )

    def is_kept(self, execution_id: str) -> bool:
        ended = self.records[execution_id]["status"] in {"completed", "cancelled"}
        return ended == (execution_id in self.expiring)

    def signals_in(self, name: str) -> int:
        inbox = self.map(name)
        items = [field for field in inbox if field[0].isdigit()]
        assert len(items) == int(inbox["n"]) > 0, name
        results = [field for field in items if ":/" in field]
        assert len(results) == int(inbox.get("c", 0)), name
        return len(items) - len(results)

    def outstanding(self) -> Iterator[Fields]:
        """Entries in the stream, and those put back for a while."""
        for entry, fields in self.client.xrange(f"{self.prefix}events"):
            decoded = {text(name): text(value) for name, value in fields.items()}
            yield decoded | {"entry": text(entry)}
        for timer, packed in self.client.hgetall(f"{self.prefix}timer-data").items():
            if timer.startswith(b"p:"):
                flat = msgspec.msgpack.decode(packed, type=list[str])
                yield dict(
                    zip(map(text, flat[::2]), map(text, flat[1::2]), strict=True)
                )


def wakes_it(entry: Fields, execution_id: str, record: Fields) -> bool:
    if "_wake" in entry:
        return entry["_wake"] == execution_id
    if "_workflow" in entry:
        mine = entry["_workflow"] == record["workflow"]
        return mine and entry.get("_origin") == record["origin"]
    return entry.get("entry") == record.get("start", record["origin"])


def text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")
