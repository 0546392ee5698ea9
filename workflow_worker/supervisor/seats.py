"""Seats and workers: who sits where, and what one that died leaves to the next.

Owns these records. It must never start or end a process.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from workflow_worker.board import LaneView, Restart, Slot, SlotView, State
from workflow_worker.health import ending
from workflow_worker.model import Overdue, Predecessor

MOST_BEQUESTS = 32
"""Dead workers one replacement is told of; the leases of older ones just run out."""
HUNG = "hanging"
"""How one ended that was killed for giving no sign of life."""


@dataclass(slots=True, eq=False)
class Worker:
    """A living worker process.

    Attributes:
        bequests: the dead it was told to adopt the entries of.
        counted: events of its slot before it came, of every kind.
        processed: those of them that count as processed.
        kill_at: monotonic seconds when patience with its drain ends.
        cause: why it is replaced, where that is our decision.
        struck: it got its SIGKILL.
        overdue: what it ran for too long, so that we killed it.
        megabytes: its resident memory when last looked at.
        full_at: monotonic seconds when that was first too much.
        chance: from 0 to 1, for limits that not all are to reach at once.
    """

    pid: int
    slot: Slot
    bequests: tuple[Predecessor, ...]
    counted: int
    processed: int
    kill_at: float = math.inf
    cause: Restart = Restart.NONE
    struck: bool = False
    overdue: tuple[LaneView, ...] = ()
    megabytes: int = 0
    full_at: float = math.inf
    chance: float = field(default_factory=random.random)

    @property
    def ordered(self) -> bool:
        """We killed it, and its end is not the fault of what ran.

        That it hung is: an event that hangs its worker would else do so for ever.
        """
        return self.struck and self.cause is not Restart.HUNG

    @property
    def fruitful(self) -> bool:
        """It got some work done, if it became ready."""
        return sum(self.slot.counts()) > self.counted


@dataclass(slots=True, eq=False)
class Seat:
    """A place for one of the WORKER_COUNT workers, whoever holds it.

    Attributes:
        slot: where on the board its worker lives, or will.
        worker: who holds it, None if it is vacant.
        bequests: the dead whose entries the next one adopts.
        streak: deaths in a row without any work between them.
        retry_at: monotonic seconds when a vacant seat is filled; inf: when told to.
        bereaved: its last worker died, so the next one is a restart.
    """

    slot: Slot
    worker: Worker | None = None
    bequests: tuple[Predecessor, ...] = ()
    streak: int = 0
    retry_at: float = 0.0
    bereaved: bool = False


def drained(view: SlotView, status: int) -> bool:
    """Tell whether one that ended had given everything back.

    Code of the user may end the process as if all were well.
    """
    return status == 0 and view.state is State.STOPPED


def bequests(worker: Worker, view: SlotView, status: int) -> tuple[Predecessor, ...]:
    """Return the dead whose entries the next one has to adopt.

    One that died may not have come to run all it had adopted, or adopted anything, so
    what it was told of the dead before it goes on to the next.

    Args:
        worker: was reaped.
        view: its slot as it left it.
        status: its exit status, or minus the signal that killed it.
    """
    left = drained(view, status)
    inherited = () if left and view.ready_at else worker.bequests
    if left or not view.consumer:
        return inherited
    # A run and the actions beside it have a lane each.
    begun = (lane.entry for lane in view.lanes if lane.deliveries)
    started = tuple(dict.fromkeys(begun))
    own = Predecessor(
        view.consumer,
        started,
        worker.ordered,
        exit=HUNG if worker.cause is Restart.HUNG else ending(status),
        overdue=_overdue(worker, view),
    )
    return (own, *inherited)[:MOST_BEQUESTS]


def _overdue(worker: Worker, view: SlotView) -> tuple[Overdue, ...]:
    """Return what it was killed for, but for what had gone on before the blow."""
    last = {_moment(lane) for lane in view.lanes}
    return tuple(
        Overdue(lane.entry, lane.ordinal, lane.action)
        for lane in worker.overdue
        if _moment(lane) in last
    )


def _moment(lane: LaneView) -> tuple[int, str, int, float]:
    return lane.lane, lane.entry, lane.ordinal, lane.deadline
