"""Which instances there are: each tells the fleet that it lives, and how it fares.

Owns what an instance says of itself, as a value and as JSON, and when it counts as
lost. Must show whatever it finds: another version may say more, or less.
"""

from __future__ import annotations

import msgspec
from redis.exceptions import ResponseError

from workflow_worker.broker import scripts
from workflow_worker.broker.connection import Link, Reply
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.packed import as_text
from workflow_worker.errors import Rejected
from workflow_worker.model import Json

BEAT_S = 2.0
"""Seconds between two signs of life."""
LOST_MS = 10_000
"""Silence after which an instance counts as lost."""
GONE_MS = 600_000
"""Silence after which it is forgotten: somebody is to see that it vanished."""
MOST_LOST = 20
"""Lost instances that are kept; of more, those that were heard of last."""


class Running(msgspec.Struct, frozen=True, rename="camel"):
    """What one thread of a worker does.

    Attributes:
        execution_id: of what.
        workflow: its name.
        action: empty between actions.
        since_ms: for how long.
    """

    execution_id: str = ""
    workflow: str = ""
    action: str | None = None
    since_ms: int = 0


class Worker(msgspec.Struct, frozen=True, rename="camel"):
    """One worker of an instance, as ``/api/workers`` tells it.

    Attributes:
        slot: its number.
        pid: None while no process is there.
        status: healthy, degraded or unhealthy.
        reasons: for it not being healthy.
        active_events: how many events it runs.
        events_processed: by all tenants of its slot.
        heartbeat_age_ms: since its last sign of life.
        started_at: ISO 8601.
        resident_bytes: its memory.
        running: its busy threads; on the fleet's board not always all of them.
    """

    slot: int = 0
    pid: int | None = None
    status: str = "unknown"
    reasons: list[str] = []
    active_events: int = 0
    events_processed: int = 0
    heartbeat_age_ms: int | None = None
    started_at: str | None = None
    resident_bytes: int | None = None
    running: list[Running] = []


class Instance(msgspec.Struct, frozen=True, rename="camel"):
    """One ``wfworker start``, as it told of itself last.

    Attributes:
        name: unique, part of the names of its consumers.
        host: where it runs.
        pid: of its master.
        version: of the package.
        app: ``module:attribute`` of its App.
        started_at: ISO 8601.
        http_address: ``host:port`` where it answers; None for nowhere.
        status: healthy, degraded or unhealthy, as it judged itself.
        reasons: for it not being healthy, worst first.
        worker_count: workers it should have; then how many of them are what.
        events_processed: since it started; then how many of them were what.
        active_events: how many events it runs.
        events_per_second: over its last ten seconds.
        restarts: workers replaced because they died.
        workers: each of them.
        running_left_out: busy threads that are not listed.
        silent_ms: since its last sign of life, by the server's clock.
        lost: silent for so long that it is taken for dead.
    """

    name: str = ""
    host: str = ""
    pid: int = 0
    version: str = ""
    app: str = ""
    started_at: str | None = None
    http_address: str | None = None
    status: str = "unknown"
    reasons: list[str] = []
    worker_count: int = 0
    healthy_workers: int = 0
    degraded_workers: int = 0
    unhealthy_workers: int = 0
    events_processed: int = 0
    events_succeeded: int = 0
    events_failed: int = 0
    active_events: int = 0
    events_per_second: float = 0.0
    restarts: int = 0
    workers: list[Worker] = []
    running_left_out: int = 0
    silent_ms: int = 0
    lost: bool = False

    def as_object(self) -> Json:
        """Return it as a JSON object."""
        made: Json = msgspec.to_builtins(self)
        return made


def register(link: Link, partition: Partition, name: str, said: Instance) -> None:
    """Give a sign of life.

    Raises:
        Unavailable, OutcomeUnknown, Rejected: nobody heard it.
    """
    text = msgspec.json.encode(said)
    limits = (LOST_MS, GONE_MS, MOST_LOST)
    _run(link, "register", partition, name, text, *limits)


def unregister(link: Link, partition: Partition, name: str) -> None:
    """Leave the fleet in order.

    Raises:
        Unavailable, OutcomeUnknown, Rejected: nobody heard it.
    """
    _run(link, "unregister", partition, name)


def instances(link: Link, partition: Partition) -> list[Instance]:
    """Return all instances by name, those that live before those that are lost.

    Raises:
        Unavailable, OutcomeUnknown: see :meth:`Link.calls`.
        Rejected: the keys hold something else.
    """
    replies = link.calls(
        [
            ("TIME",),
            ("ZRANGE", partition.beats, 0, -1, "WITHSCORES"),
            ("HGETALL", partition.instances),
        ]
    )
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise _refused(reply) from reply
        if isinstance(reply, Exception):
            raise reply
    (seconds, micros), beats, flat = replies
    now = int(seconds) * 1000 + int(micros) // 1000
    said = dict(zip(flat[::2], flat[1::2], strict=True))
    found = [
        _instance(name, said.get(name, b""), now - _ms(beat))
        for name, beat in zip(beats[::2], beats[1::2], strict=True)
    ]
    recent = (each for each in found if each.silent_ms < GONE_MS)
    return sorted(recent, key=lambda each: (each.lost, each.name))


def _ms(beat: bytes) -> int:
    """Return a score as a time that can be; infinity is a score, too."""
    return round(min(max(float(beat), 0.0), 2.0**53))


def _instance(name: bytes, said: Reply, silent_ms: int) -> Instance:
    try:
        told = msgspec.json.decode(said, type=Instance)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        told = Instance()
    return msgspec.structs.replace(
        told,
        name=as_text(name),
        silent_ms=max(0, silent_ms),
        lost=silent_ms > LOST_MS,
    )


def _run(
    link: Link, script: str, partition: Partition, *values: str | bytes | int
) -> None:
    try:
        scripts.run_for_fleet(link, script, partition, *values)
    except ResponseError as error:
        raise _refused(error) from error


def _refused(error: ResponseError) -> Rejected:
    return Rejected(f"Redis refuses what is known of the fleet: {error}")
