"""What readers of the board get: frozen values, each as it was when read.

Owns the meaning of every figure on the board; it must never hold shared memory.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields


class State(enum.IntEnum):
    """What a worker says of itself; FREE where none lives."""

    FREE = 0
    STARTING = 1
    READY = 2
    DRAINING = 3
    STOPPED = 4


class Restart(enum.IntEnum):
    """Why a worker was replaced; NONE if it was not, or by a reload."""

    NONE = 0
    DIED = 1
    """By itself."""
    HUNG = 2
    """It gave no sign of life for HANG_TIMEOUT_MS."""
    OVERDUE = 3
    """Something in it took longer than it may."""
    EVENTS = 4
    """It had done MAX_EVENTS_PER_WORKER."""
    MEMORY = 5
    """It had grown to MAX_MEMORY_MB."""


DEATHS = (Restart.DIED, Restart.HUNG, Restart.OVERDUE)
"""What nobody had planned."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What the tenants of a slot did since the service started."""

    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    suspended: int = 0
    ignored: int = 0
    dead_letters: int = 0
    leases_lost: int = 0

    @property
    def processed(self) -> int:
        """Events that succeeded or failed; the sum, so that the three always fit."""
        return self.succeeded + self.failed


COUNTERS = tuple(field.name for field in fields(Counters))


@dataclass(frozen=True, slots=True)
class LaneView:
    """What one thread of a worker runs."""

    lane: int
    entry: str
    """Id of the stream entry that is the lease."""
    deliveries: int
    """0 where it has not begun: it takes note of how its last worker ended."""
    since: float
    """Monotonic seconds when it began."""
    workflow: str
    action: str
    """Empty between actions."""
    execution_id: str
    ordinal: int = 0
    """The action's place in program order; 0 between actions."""
    deadline: float = 0.0
    """Monotonic seconds when the master is to kill the worker for it; 0 for never."""


@dataclass(frozen=True, slots=True)
class SlotView:
    """One slot, as it was when somebody looked.

    Attributes:
        index: number of the slot.
        serving: it belongs to one of the WORKER_COUNT seats; False for a worker that
            is being replaced and for its successor until that one is ready.
        pid: process living here, 0 for none.
        generation: how many processes were started here.
        state: what that process says of itself.
        forked_at: monotonic seconds when it was started.
        restarted_at: when it replaced one that had died; 0 if it did not.
        ready_at: when it became ready; 0 if it did not yet.
        heartbeat: when it last gave a sign of life.
        started_ms: wall clock in ms when it began, 0 if it did not yet.
        redis_down_since: since when Redis does not answer it; 0 if it does.
        consumer: its name in the stream's group.
        streak: how many tenants in a row died without having done anything.
        retry_at: when the next one is started; 0 if none waits, inf for a person.
        exit_status: how the last one ended; minus the signal if one killed it.
        cause: why the last one was replaced.
        cpu_seconds: processor time of all former tenants.
        counters: what all tenants so far did.
        lanes: the busy threads; a run and an action it submitted have one each.
        flooded: a workflow of which most runs fail, so its retries are held back.
        recent_runs: runs that ended in the last minutes.
        recent_errors: how many of them failed, or are to be tried again.
        saturated_since: since when every thread is busy while events wait in the
            stream; 0 if that is not so.
    """

    index: int
    serving: bool
    pid: int
    generation: int
    state: State
    forked_at: float
    restarted_at: float
    ready_at: float
    heartbeat: float
    started_ms: int
    redis_down_since: float
    consumer: str
    streak: int
    retry_at: float
    exit_status: int
    counters: Counters
    lanes: tuple[LaneView, ...]
    flooded: str = ""
    cause: Restart = Restart.NONE
    cpu_seconds: float = 0.0
    recent_runs: int = 0
    recent_errors: int = 0
    saturated_since: float = 0.0

    @property
    def active(self) -> int:
        """How many events run in it now."""
        return len({lane.entry for lane in self.lanes})


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What the master says of itself.

    Attributes:
        beat: monotonic seconds of its last round.
        replaced: how many workers were replaced, by why.
        stopping: the service was told to stop.
    """

    beat: float
    replaced: Mapping[Restart, int]
    stopping: bool

    @property
    def restarts(self) -> int:
        """How many workers were replaced because they died."""
        return sum(self.replaced[cause] for cause in DEATHS)
