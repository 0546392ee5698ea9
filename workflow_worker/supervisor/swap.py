"""One worker takes over from another: it is ready before that one drains.

Owns the steps of it, for whoever wants one replaced: there are never fewer workers than
before, and one that does not work replaces nobody. It must never block: the master's
loop steps it.
"""

from __future__ import annotations

import logging
import math

from workflow_worker.board import Restart
from workflow_worker.health import START_GRACE
from workflow_worker.supervisor.roster import ForkWorker, Roster
from workflow_worker.supervisor.seats import Seat, Worker

log = logging.getLogger(__name__)


class Swap:
    """The replacement of whoever holds one seat.

    Args:
        roster: whose seat it is.
        seat: may be vacant.
        fork: forks the newcomer.
        grace: seconds in which the former worker has to drain.
        cause: why, for the board.
        heir: the newcomer adopts what workers without a seat left when they died. Not
            in a reload: an event that kills whoever adopts it would end that, too.

    Attributes:
        former: who held the seat, once the newcomer does.
        done: it is over, whether it succeeded or not.
        failed: why nobody was replaced; empty if that is not so.
    """

    def __init__(
        self,
        roster: Roster,
        seat: Seat,
        fork: ForkWorker,
        grace: float,
        cause: Restart = Restart.NONE,
        *,
        heir: bool = False,
    ) -> None:
        self.former: Worker | None = None
        self.done = False
        self.failed = ""
        self._roster = roster
        self._seat = seat
        self._fork = fork
        self._grace = grace
        self._cause = cause
        self._heir = heir
        self._newcomer: Worker | None = None
        self._deadline = math.inf

    def step(self, now: float) -> None:
        """Go on as far as possible without waiting."""
        newcomer = self._newcomer
        if self.done:
            return
        if not newcomer:
            self._invite(now)
        elif newcomer.pid not in self._roster.workers:
            self._fail("the new worker died before it was ready")
        elif newcomer.slot.view().ready_at:
            self._promote(newcomer)
        elif now > self._deadline:
            self.abandon()
            self._fail(f"the new worker was not ready within {START_GRACE:.0f} s")

    def abandon(self) -> None:
        """Let everything be as before: the newcomer leaves."""
        self.done = True
        newcomer = self._newcomer
        if newcomer and newcomer.pid in self._roster.workers:
            ready = newcomer.slot.view().ready_at
            self._roster.retire(newcomer, self._grace if ready else 0.0)

    def _invite(self, now: float) -> None:
        slot = self._roster.free_slot()
        if not slot:  # former workers are still draining: one of them makes room
            return
        try:
            # A seat that fell vacant meanwhile has dead to be told of.
            vacant = None if self._seat.worker else self._seat
            self._newcomer = self._roster.start(
                slot, self._fork, vacant, heir=self._heir
            )
            self._deadline = now + START_GRACE
        except OSError as error:
            self._fail(f"no worker could be started: {error}")

    def _promote(self, newcomer: Worker) -> None:
        self.done = True
        self.former = self._roster.promote(newcomer, self._seat)
        if self.former:
            self.former.cause = self._cause
            self._roster.retire(self.former, self._grace)

    def _fail(self, why: str) -> None:
        self.done = True
        self.failed = why
