"""The seats of the service, and who sits, stands and dies there.

Owns each seat's slot on the board, its back-off and what a dead worker leaves to the
next. It must never decide that the service stops or reloads: it is told to.
"""

from __future__ import annotations

import logging
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from workflow_worker.board import Board, Restart, Slot
from workflow_worker.clock import monotonic
from workflow_worker.health import ending
from workflow_worker.model import Predecessor
from workflow_worker.supervisor.backoff import delay
from workflow_worker.supervisor.seats import (
    MOST_BEQUESTS,
    Seat,
    Worker,
    bequests,
    drained,
)

log = logging.getLogger(__name__)

BUSY_STREAK = 3
"""Most deaths in a row that count against the next start, if an event was running."""
SETTLED = 10.0
"""Seconds of being ready after which a worker's seat has no bad name any more."""
LOOK_AGAIN = 0.05
"""Seconds until another look at a lane that was being written when it was overdue."""

ForkWorker = Callable[[Slot, tuple[Predecessor, ...]], int]
"""Forks a worker that moves into the slot; returns its pid or raises OSError."""


@dataclass(slots=True)
class Roster:
    """All seats, and all living workers by pid, those about to leave included.

    Attributes:
        ever_ready: some worker has been ready, so code and settings can work.
        closing: nobody is replaced any more.
        look_at: monotonic seconds when the earliest deadline known is over.
        estate: the dead that had no seat; the next heir adopts their entries.
    """

    board: Board
    seats: list[Seat] = field(default_factory=list)
    workers: dict[int, Worker] = field(default_factory=dict)
    ever_ready: bool = False
    closing: bool = False
    look_at: float = math.inf
    estate: tuple[Predecessor, ...] = ()

    def resize(self, count: int, grace: float) -> None:
        """Have so many seats; workers of seats too many drain.

        Args:
            count: WORKER_COUNT.
            grace: seconds they may take for it.
        """
        while len(self.seats) < count and (slot := self.free_slot()):
            slot.seat(serving=True)
            slot.backs_off(0, 0.0)
            self.seats.append(Seat(slot))
        for seat in self.seats[count:]:
            seat.slot.seat(serving=False)
            self._inherit(seat.bequests)
            if seat.worker:
                self.retire(seat.worker, grace)
        del self.seats[count:]

    def free_slot(self) -> Slot | None:
        """Return a slot where nobody lives or is awaited."""
        return next((slot for slot in self.board.slots if not slot.taken), None)

    def vacant(self) -> Iterator[Seat]:
        """Yield the seats nobody holds."""
        return (seat for seat in self.seats if not seat.worker)

    def ready(self) -> bool:
        """Tell whether every seat has a worker that is ready."""
        return all(seat.worker and seat.slot.view().ready_at for seat in self.seats)

    def next_due(self) -> float:
        """Return when, in monotonic seconds, something here is due; inf for never."""
        fills = (seat.retry_at for seat in self.vacant() if not self.closing)
        kills = (w.kill_at for w in self.workers.values() if not w.struck)
        return min((self.look_at, *fills, *kills))

    def fill(self, fork: ForkWorker, now: float) -> None:
        """Start a worker for each vacant seat whose time has come."""
        for seat in self.vacant():
            if seat.retry_at > now or self.closing:
                continue
            try:
                seat.worker = self.start(seat.slot, fork, seat, heir=True)
            except OSError as error:
                log.error("no worker could be started: %s", error)  # noqa: TRY400 - the system's word says it all
                self._back_off(seat)

    def start(
        self,
        slot: Slot,
        fork: ForkWorker,
        seat: Seat | None = None,
        *,
        heir: bool = False,
    ) -> Worker:
        """Start a worker in a slot, for a seat that is vacant or for none yet.

        Args:
            slot: where it is to live.
            fork: starts it.
            seat: vacant; it adopts what the seat's dead left.
            heir: it adopts also what those without a seat left.

        Raises:
            OSError: the system has no room for another process.
        """
        dead = seat.bequests if seat else ()
        if heir:
            dead = (*dead, *self.estate)[:MOST_BEQUESTS]
        slot.hand_over(restarted=bool(seat and seat.bereaved))
        pid = fork(slot, dead)
        slot.inhabited(pid)
        if heir:
            self.estate = ()
        if seat:
            seat.bequests = ()
        counted, processed = sum(slot.counts()), slot.counters.processed
        worker = Worker(pid, slot, dead, counted, processed)
        self.workers[pid] = worker
        log.info("worker %d started as process %d", slot.index, pid)
        return worker

    def promote(self, newcomer: Worker, seat: Seat) -> Worker | None:
        """Give a seat to a newcomer that is ready; returns who held it."""
        former, seat.worker = seat.worker, newcomer
        with self.board.arranging():
            seat.slot.seat(serving=False)
            seat.slot = newcomer.slot
            seat.slot.seat(serving=True)
        self._absolve(seat)
        return former

    def retire(self, worker: Worker, grace: float) -> None:
        """Ask a worker to drain; it has so many seconds until it is killed."""
        if math.isinf(worker.kill_at):
            os.kill(worker.pid, signal.SIGTERM)
        worker.kill_at = min(worker.kill_at, monotonic() + grace)

    def press(self, now: float) -> None:
        """Kill those whose time to drain is over, or that run something for too long.

        A deadline shorter than the master's pulse may be found that much too late.
        """
        self.look_at = math.inf
        for worker in self.workers.values():
            if worker.struck:
                continue
            if worker.kill_at <= now:
                ready = worker.slot.view().ready_at
                why = "did not drain in time" if ready else "never was ready"
                log.warning("worker %d %s: killed", worker.slot.index, why)
                self.strike(worker, worker.cause)
            else:
                self._watch(worker, now)

    def strike(self, worker: Worker, cause: Restart) -> None:
        """Kill a worker at once.

        Args:
            worker: any that was not struck yet.
            cause: why it is replaced; NONE if it is not.
        """
        worker.struck, worker.cause = True, cause
        os.kill(worker.pid, signal.SIGKILL)

    def ended(self, pid: int, status: int, cpu_seconds: float = 0.0) -> None:
        """Note that a worker was reaped; its seat is vacant until it is filled.

        Args:
            pid: of one of ``workers``.
            status: its exit status, or minus the signal that killed it.
            cpu_seconds: processor time it took.
        """
        worker = self.workers.pop(pid)
        # Read before anybody else can move in: this is all that is known of its end.
        view = worker.slot.view()
        died = not drained(view, status)
        cause = worker.cause or (Restart.DIED if died else Restart.NONE)
        worker.slot.vacated(status, cause, cpu_seconds)
        self.ever_ready |= view.ready_at > 0
        seat = next((seat for seat in self.seats if seat.worker is worker), None)
        if not seat or self.closing:
            worker.slot.seat(serving=False)
            # Who neither was ready nor adopted anything needs no heir.
            if view.ready_at or worker.bequests:
                self._inherit(bequests(worker, view, status))
            level = logging.WARNING if died else logging.INFO
            log.log(level, "worker %d ended by %s", worker.slot.index, ending(status))
            return
        seat.worker = None
        seat.bereaved = died
        seat.bequests = bequests(worker, view, status)
        if view.ready_at and worker.fruitful:
            seat.streak = 0
        elif view.ready_at and view.lanes:
            # Each such death brings an event nearer to its burial, so they end; and as
            # long as the seat is vacant its other events wait.
            seat.streak = min(seat.streak, BUSY_STREAK)
        if worker.overdue:
            # What it ran is to blame, so the seat's name gets no worse.
            seat.retry_at = 0.0
            seat.slot.backs_off(seat.streak, seat.retry_at)
        else:
            self._back_off(seat)
        if cause is not Restart.NONE:
            self.board.count_restart(cause)
        self._announce(seat, status, logging.WARNING if died else logging.INFO)

    def settle(self, now: float) -> None:
        """Forget the deaths before a worker that has shown that it can work."""
        for seat in self.seats:
            if not seat.worker or (self.ever_ready and not seat.streak):
                continue
            view = seat.slot.view()
            self.ever_ready |= view.ready_at > 0
            stayed = view.ready_at and now - view.ready_at > SETTLED
            if stayed or (view.ready_at and seat.worker.fruitful):
                self._absolve(seat)

    def await_orders(self) -> None:
        """Leave vacant seats vacant until :meth:`revive`."""
        for seat in self.vacant():
            seat.retry_at = math.inf
            seat.slot.backs_off(seat.streak, seat.retry_at)

    def revive(self) -> None:
        """Fill vacant seats at once: there is new code or new settings to try."""
        for seat in self.vacant():
            seat.retry_at = 0.0
            self._absolve(seat)

    def close(self, grace: float) -> None:
        """Ask all workers to drain, and replace none any more."""
        self.closing = True
        for seat in self.vacant():
            seat.slot.seat(serving=False)
        for worker in self.workers.values():
            self.retire(worker, grace)

    def _watch(self, worker: Worker, now: float) -> None:
        """Kill it if it runs something for too long; else note when to look again."""
        deadlines = worker.slot.deadlines()
        if any(deadline <= now for deadline in deadlines):
            worker.overdue = worker.slot.overdue(now)
        if worker.overdue:
            _accuse(worker, now)
            self.strike(worker, Restart.OVERDUE)
            return
        nexts = (due if due > now else now + LOOK_AGAIN for due in deadlines)
        self.look_at = min((self.look_at, *nexts))

    def _back_off(self, seat: Seat) -> None:
        seat.streak += 1
        seat.retry_at = monotonic() + delay(seat.streak)
        seat.slot.backs_off(seat.streak, seat.retry_at)

    def _absolve(self, seat: Seat) -> None:
        seat.streak = 0
        seat.slot.backs_off(0, seat.retry_at if not seat.worker else 0.0)

    def _inherit(self, dead: tuple[Predecessor, ...]) -> None:
        self.estate = (*dead, *self.estate)[:MOST_BEQUESTS]

    def _announce(self, seat: Seat, status: int, level: int) -> None:
        pause = max(0.0, seat.retry_at - monotonic())
        how = f"in {pause:.1f} s" if pause else "at once"
        log.log(
            level,
            "worker %d ended by %s; its replacement starts %s",
            *(seat.slot.index, ending(status), how),
        )


def _accuse(worker: Worker, now: float) -> None:
    for lane in worker.overdue:
        log.warning(
            "worker %d is killed: %s of workflow %s takes longer than it may in %s, "
            "%.1f s so far",
            worker.slot.index,
            lane.execution_id,
            lane.workflow,
            f"action {lane.action}" if lane.ordinal else "its own code",
            now - lane.since,
        )
