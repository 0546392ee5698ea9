"""Getting entries to run: new ones, orphans, a dead worker's, and giving them back.

Whatever keeps the server from handing out work raises Unavailable or Rejected: wait,
then look with :func:`adopt` for what it may have handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec
from redis.exceptions import NoScriptError, ResponseError

from workflow_worker import codec
from workflow_worker.broker import scripts
from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.keys import BELL, Partition
from workflow_worker.broker.packed import as_text
from workflow_worker.errors import InvalidPayload, Unavailable
from workflow_worker.model import Event, Item, PutBack, Record, Task

ADOPT_CHUNK = 100
"""Most entries moved in one adopt call."""
VOUCH_CHUNK = 500
"""Most leases renewed in one vouch call."""
_LONGEST_NUMBER = 19
"""Digits of a number that any language reads as an integer."""
_LONGEST_MARK = 64


@dataclass(frozen=True, slots=True)
class Owner:
    """Who takes, and within which limits.

    Attributes:
        consumer: name, unique per process start; half of the fence.
        partition: where.
        max_payload_bytes: larger payloads are dead letters.
        dedup_ttl_ms: how long publish ids are remembered.
        early_ttl_ms: how long a signal waits for its execution to start.
        inbox_limit: most signals that an execution may leave unconsumed.
    """

    consumer: str
    partition: Partition
    max_payload_bytes: int
    dedup_ttl_ms: int
    early_ttl_ms: int
    inbox_limit: int

    @property
    def terms(self) -> tuple[str | int, ...]:
        """What every script that hands out work is told first."""
        return (
            self.consumer,
            self.max_payload_bytes,
            self.dedup_ttl_ms,
            self.early_ttl_ms,
            self.inbox_limit,
        )


class Taken(msgspec.Struct, frozen=True):
    """What came of a take, claim or adopt.

    Attributes:
        tasks: to run.
        next_timer_ms: ms until the next timer is due, -1 if none is set; 0 also if
            there may be more to take at once.
        succeeded: signals, and events fanned out to several workflows, counted here.
        failed: events that went straight to the dead letters.
        ignored: events nobody in the fleet wants.
        duplicate: events whose id was seen before.
        server_ms: the server's clock at that moment.
    """

    tasks: list[Task]
    next_timer_ms: int = -1
    succeeded: int = 0
    failed: int = 0
    ignored: int = 0
    duplicate: int = 0
    server_ms: int = 0


def take(link: Link, owner: Owner, most: int) -> Taken:
    """Fire due timers and take up to ``most`` new entries; never blocks.

    Args:
        link: connection.
        owner: who takes.
        most: how many entries can be used now.
    """
    return _taken(_run(link, "take", owner, most), owner.partition)


def take_when_rung(
    link: Link,
    owner: Owner,
    most: int,
    block_ms: int,
    *,
    asleep: Callable[[], None],
    awake: Callable[[], None],
) -> Taken:
    """Block until something new may be there, then take, in one round trip.

    Only after a take that left nothing, which moved the bell to what comes next.

    Args:
        link: connection.
        owner: who takes.
        most: how many entries can be used now.
        block_ms: how long to wait at most; more than 0.
        asleep: called when the wait begins; what it raises ends it.
        awake: called when the wait is over and the take's answer is next. To give up
            before is to close the link; after it, what comes is this owner's.
    """
    command = scripts.command("take", owner.partition, *owner.terms, most)
    bell, reply = link.call_behind(
        bell_command(owner.partition, block_ms),
        command,
        block=block_ms / 1000,
        asleep=asleep,
        awake=awake,
    )
    if isinstance(reply, NoScriptError):
        return take(link, owner, most)
    if isinstance(reply, Exception):
        raise _outage(reply)
    if isinstance(bell, Exception):
        # What the take handed out is found like that of a lost answer.
        link.close()
        raise _outage(bell)
    return _taken(reply, owner.partition)


def bell_command(partition: Partition, block_ms: int) -> tuple[str | int, ...]:
    """Return the read that blocks until something new may be there.

    One idle worker per new entry wakes. Nothing is owned by this read: it does not
    acknowledge, and all workers share one consumer name.
    """
    return (
        "XREADGROUP",
        "GROUP",
        BELL,
        "idle",
        "COUNT",
        1,
        "BLOCK",
        block_ms,
        "NOACK",
        "STREAMS",
        partition.events,
        partition.bell,
        ">",
        ">",
    )


def claim(link: Link, owner: Owner, lease_ms: int, most: int) -> Taken:
    """Take over up to ``most`` entries whose owner has been silent for a lease."""
    return _taken(_run(link, "claim", owner, most, lease_ms), owner.partition)


def adopt(
    link: Link,
    owner: Owner,
    predecessor: str,
    *,
    started: Sequence[str] = (),
    held: Iterable[str] = (),
) -> tuple[int, Taken]:
    """Take over some entries of a consumer known to be dead; or one's own lost ones.

    Args:
        link: connection.
        owner: who takes over.
        predecessor: the dead consumer's name, or the owner's own.
        started: entries that count a delivery, for it died of them or may have: those
            that were running, unless the master ordered its death.
        held: entries to pass over, because the owner has them at hand.

    Returns:
        How many entries moved (call again until none does), and what came of them.
    """
    moved, reply = _run(
        link,
        "adopt",
        owner,
        ADOPT_CHUNK,
        predecessor,
        len(started),
        *started,
        *held,
    )
    return moved, _taken(reply, owner.partition)


def renew(link: Link, owner: Owner, held: Sequence[tuple[str, int]]) -> list[bool]:
    """Renew the leases of (entry, count) pairs; False for each that is lost."""
    if not held:
        return []
    pairs = [value for pair in held for value in pair]
    answers = scripts.run(link, "renew", owner.partition, owner.consumer, *pairs)
    return [answer == 1 for answer in answers]


def vouch(link: Link, partition: Partition, consumer: str, lease_ms: int) -> int:
    """Renew all that a consumer owns, which lives but can't do so itself.

    Only the living may be vouched for: what nobody works on would stay owned for ever.

    Args:
        link: connection.
        partition: where.
        consumer: whose leases; its quarantine lock is kept, too.
        lease_ms: how long that lock is kept from now on.

    Returns:
        How many leases were renewed.
    """
    total, start = 0, "-"
    while start:
        renewed, following = scripts.run(
            link, "vouch", partition, consumer, lease_ms, VOUCH_CHUNK, start
        )
        total += renewed
        start = following.decode()
    return total


def requeue(
    link: Link,
    owner: Owner,
    tasks: Sequence[Task],
    delay_ms: int = 0,
    why: str = PutBack.DRAIN,
) -> list[bool]:
    """Give entries back unrun, to the stream or to the timers; False where lost."""
    if not tasks:
        return []
    values: list[str | int] = []
    for task in tasks:
        values += (task.entry, task.count, task.workflow, delay_ms, task.exit)
    answers = scripts.run(
        link, "requeue", owner.partition, owner.consumer, why, *values
    )
    return [answer == 1 for answer in answers]


def leave(link: Link, owner: Owner) -> bool:
    """Delete the consumer's name from the group; False while it owns entries."""
    left: int = scripts.run(link, "leave", owner.partition, owner.consumer)
    return left == 1


def _run(link: Link, name: str, owner: Owner, *values: str | int) -> Reply:
    """Run a script that hands out work.

    Raises:
        Unavailable, Rejected: not now.
    """
    try:
        return scripts.run(link, name, owner.partition, *owner.terms, *values)
    except ResponseError as error:
        raise _outage(error) from error


def _outage(error: Exception) -> Exception:
    """Return what waiting helps against: somebody put another key in the way, say."""
    if not isinstance(error, ResponseError):
        return error
    return Unavailable(f"Redis can't hand out work: {error}")


def _taken(reply: Reply, partition: Partition) -> Taken:
    plain, rows, next_timer, succeeded, failed, ignored, duplicate, now = reply
    values = iter(plain)
    tasks = [
        _plain(partition.number, *six)
        for six in zip(values, values, values, values, values, values, strict=True)
    ]
    tasks += [_task(row, partition, now) for row in rows]
    return Taken(tasks, int(next_timer), succeeded, failed, ignored, duplicate, now)


def _plain(
    number: int,
    raw_entry: bytes,
    raw_workflow: bytes,
    stamp: bytes,
    name: bytes,
    payload: bytes,
    key: bytes,
) -> Task:
    """Return the task of nearly every event: new, read for the first time."""
    entry, workflow = raw_entry.decode(), as_text(raw_workflow)
    event: Event | None = None
    defect = ""
    try:
        event = codec.plain_event(entry, stamp, name, payload, key)
    except InvalidPayload as error:
        defect = str(error)
    return Task(entry, 1, 1, f"{number}-{entry}.{workflow}", workflow, event, defect)


def _task(row: list[Reply], partition: Partition, now: int) -> Task:
    entry, flat = row[0].decode(), row[3]
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    workflow = as_text(row[2])
    event: Event | None = None
    defect = ""
    try:
        event = codec.event_from_fields(entry, fields)
        origin = event.id
    except InvalidPayload as error:
        defect, origin = str(error), _origin(entry, fields)
    execution_id = f"{partition.number}-{origin}.{workflow}"
    keep = b"_keep" in fields
    marked = b"_workflow" in fields or b"_counted" in fields
    if row[1] == 1 and len(row) == _BARE and not marked:
        return Task(entry, 1, 1, execution_id, workflow, event, defect, keep=keep)
    task = Task(entry, row[1], row[1], execution_id, workflow, event, defect, keep=keep)
    return _repeated(row, fields, task, now)


_BARE, _RECORDED, _WAKE = 4, 8, 9
"""Lengths of a row: of a first delivery, with a record, with an id of its own."""
_UNCOUNTED = 11
"""Place in a record: set while no commit that is no retry has counted its event."""


def _repeated(
    row: list[Reply], marks: dict[bytes, bytes], task: Task, now: int
) -> Task:
    """Add what a copy, a redelivery or a wake carries beside a first delivery."""
    task = msgspec.structs.replace(
        task,
        deliveries=task.count + _number(marks, b"_deliveries", 0),
        counts=b"_counted" not in marks,
        waited_ms=now - _number(marks, b"_since", now),
        put_back=_mark(marks, b"_why"),
        exit=_mark(marks, b"_exit"),
    )
    if len(row) < _RECORDED:
        return task
    record = _record(row[4])
    unsaid = len(row) != _WAKE and not record.step and task.counts
    return msgspec.structs.replace(
        task,
        execution_id=row[8].decode() if len(row) == _WAKE else task.execution_id,
        record=record,
        journal=tuple(row[5]),
        inbox=tuple(map(_item, row[6])),
        whole=row[7] == 1,
        counts=unsaid or row[4][_UNCOUNTED] is not None,
    )


def _item(row: list[Reply]) -> Item:
    sequence, name, fields = row
    return Item(sequence, as_text(name), tuple(fields))


def _number(marks: dict[bytes, bytes], name: bytes, otherwise: int) -> int:
    """Read a mark; anybody can write to the stream, so it may be anything."""
    raw = marks.get(name, b"")
    return int(raw) if raw.isdigit() and len(raw) < _LONGEST_NUMBER else otherwise


def _mark(marks: dict[bytes, bytes], name: bytes) -> str:
    return marks.get(name, b"")[:_LONGEST_MARK].decode("utf-8", "replace")


def _record(values: list[bytes | None]) -> Record:
    status, step, attempt, state, version, run, fired, cancel, base = values[:9]
    started, retry, _, resumed = values[9:]
    return Record(
        step=int(step or 0),
        status=(status or b"").decode(),
        attempt=int(attempt or 1),
        state=(state or b"").decode(),
        version=None if version is None else version.decode(),
        run=int(run or 0),
        fired=int(fired or 0),
        cancel=cancel is not None,
        base=base or b"",
        started_ms=int(resumed or started or 0),
        retry=retry is not None,
    )


def _origin(entry: str, fields: dict[bytes, bytes]) -> str:
    """Return the event id of an entry that can't be decoded."""
    raw = fields.get(b"id") or fields.get(b"_origin")
    return as_text(raw) if raw else entry
