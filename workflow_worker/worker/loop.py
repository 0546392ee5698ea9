"""The reader: takes entries while there is room for them, else waits for the bell.

The worker's main thread. Owns what is read and when; whatever Redis does, it waits and
comes back, and before it reads again it renews what is held and looks for what a lost
reply may have handed out.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable

from workflow_worker.board import Slot
from workflow_worker.broker import claim
from workflow_worker.broker.claim import Taken
from workflow_worker.broker.connection import Link
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import (
    ConfigurationError,
    ControlFlow,
    Rejected,
    Unavailable,
)
from workflow_worker.model import (
    Decision,
    Failure,
    Outcome,
    Predecessor,
    PutBack,
    Task,
)
from workflow_worker.settings import Settings
from workflow_worker.worker import deaths
from workflow_worker.worker.committer import Committer
from workflow_worker.worker.leases import Leases
from workflow_worker.worker.pool import Pool
from workflow_worker.worker.putback import delay_ms, waited_ms
from workflow_worker.worker.tally import Tally

log = logging.getLogger(__name__)

LOOK = 0.005
"""Seconds after which what one thread was to do alone is shown to the others."""
ASIDE, ASIDE_TIMES = 50e-6, 8
"""Seconds for which the reader leaves the interpreter to a thread that it woke, and how
often: until that has its task."""
REFRESH = 60.0
"""Seconds between tellings of what this App wants."""
PATIENCE_MS = 3_600_000
"""How long work for a workflow that no instance has is kept before it is buried."""
_UNKNOWN_SHARE = 0.25
"""By which a wait for such an instance grows: chance says who reads it next, and where
one of several has it, it is not to wait twice as long for each that has not."""


class Draining(ControlFlow):
    """A TERM came while the reader slept or blocked."""


class Reader:
    """Reads for one worker.

    Args:
        settings: as always.
        link: connection for reading alone.
        leases: where what is read is held.
        pool: where it runs.
        committer: for what is decided without running.
        tally: counts what take settled by itself.
        slot: the board.
        connect: checks the server, tells the routes; True if it is a new server.
    """

    def __init__(
        self,
        settings: Settings,
        link: Link,
        leases: Leases,
        pool: Pool,
        committer: Committer,
        tally: Tally,
        slot: Slot,
        connect: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._link = link
        self._leases = leases
        self._pool = pool
        self._committer = committer
        self._tally = tally
        self._slot = slot
        self._connect = connect
        self._next_timer_ms: int | None = None
        """Set where a take has just left nothing: ms from then, -1 for no timer."""
        self._idle = False
        self._stopping = False
        self._claim_at = 0.0
        self._refresh_at = 0.0

    def stop(self) -> None:
        """End the loop; called by the signal handler, in this very thread."""
        self._stopping = True
        if self._idle:
            raise Draining

    def run(self, predecessors: tuple[Predecessor, ...]) -> None:
        """Read until told to stop.

        Raises:
            ConfigurationError: the server can't be used; only before the first read.
        """
        try:
            self._first(predecessors)
            while not self._stopping:
                try:
                    self._turn()
                except (Unavailable, Rejected, ConfigurationError) as error:
                    # A server that can't be used any more may be failing over.
                    self._outlast(error)
        except Draining:
            pass

    def give_back(self, tasks: list[Task]) -> None:
        """Give entries back to the stream, at once; no delivery is counted."""
        for owner in {self._leases.owner_of(task) for task in tasks}:
            claim.requeue(
                self._link,
                owner,
                [task for task in tasks if self._leases.owner_of(task) == owner],
            )
        for task in tasks:
            self._leases.release(task)

    def leave(self) -> None:
        """Take the consumer's name out of the group, if it owns nothing."""
        claim.leave(self._link, self._leases.owner)
        self._link.close()

    def _turn(self) -> None:
        self._pool.floods.settle()
        room = self._pool.room()
        if not room:
            self._await_room()
            return
        if monotonic() >= self._refresh_at:
            self._refresh()
        if monotonic() >= self._claim_at:
            self._claim(room)
            return
        block = self._block_ms()
        if block:
            self._take_when_rung(room, block)
        else:
            self._took(claim.take(self._link, self._leases.owner, room), room)

    def _took(self, taken: Taken, room: int) -> None:
        self._pool.pressed = len(taken.tasks) == room
        self._accept(taken)
        self._next_timer_ms = taken.next_timer_ms or None

    def _await_room(self) -> None:
        self._next_timer_ms = None
        bell = self._pool.room_bell
        bell.sleeping = True
        if not self._pool.room():
            self._asleep(self._sleep_on_room)
        bell.sleeping = False

    def _sleep_on_room(self) -> None:
        pool = self._pool
        left = pool.line.left
        rung = pool.room_bell.sleep(0.5 if left is None else LOOK)
        if not rung and pool.line.left is left:
            # Who was to run it does not get on.
            pool.rouse()

    def _block_ms(self) -> int:
        """Return how long to wait for the bell; 0 to take at once."""
        if self._next_timer_ms is None:
            return 0
        until_claim = int((self._claim_at - monotonic()) * 1000)
        block = min(self._settings.poll_interval_ms, max(until_claim, 1))
        return block if self._next_timer_ms < 0 else min(block, self._next_timer_ms)

    def _take_when_rung(self, room: int, block_ms: int) -> None:
        self._pool.rouse()
        link, owner = self._link, self._leases.owner
        try:
            taken = claim.take_when_rung(
                link,
                owner,
                room,
                block_ms,
                asleep=self._fall_asleep,
                awake=self._awake,
            )
        except Draining:
            # The bell may have rung in this very moment.
            link.close()
            with contextlib.suppress(Unavailable, Rejected):
                self._find_unheld(owner.consumer)
            raise
        finally:
            self._idle = False
        self._took(taken, room)
        self._step_aside()

    def _step_aside(self) -> None:
        """Let who was woken for what came have the interpreter first.

        It would wake up, find it taken by this thread and sleep again, for as long as
        half a millisecond.
        """
        line = self._pool.line
        for _ in range(ASIDE_TIMES):
            if line.left is None:
                break
            sleep(ASIDE)

    def _fall_asleep(self) -> None:
        """From here on a TERM ends the wait; anywhere else it only sets a flag."""
        self._idle = True
        if self._stopping:
            raise Draining

    def _awake(self) -> None:
        """From here on something may have been handed out: nothing ends it halfway."""
        self._idle = False

    def _asleep(self, wait: Callable[[], None]) -> None:
        """Wait so that a TERM ends it."""
        try:
            self._fall_asleep()
            wait()
        finally:
            self._idle = False

    def _accept(self, taken: Taken, dead: tuple[Predecessor, ...] = ()) -> None:
        """Hold and queue what came."""
        self._tally.taken(taken)
        self._pool.clock.set(taken.server_ms)
        tasks = taken.tasks
        if dead:
            tasks = [deaths.told(task, dead) for task in tasks]
        if tasks:
            self._leases.hold(tasks)
            strange = [task for task in tasks if not self._can_run(task)]
            if strange:
                tasks = [task for task in tasks if self._can_run(task)]
            self._pool.put(tasks)
            self._put_back(strange)

    def _can_run(self, task: Task) -> bool:
        """Tell whether this App has the workflow, in the version that began it."""
        version = task.record.version if task.record else None
        return self._pool.runner.knows(task.workflow, version)

    def _put_back(self, tasks: list[Task]) -> None:
        """Leave work to an instance that has its workflow, with back-off."""
        # Let go of all first: if a call fails, what is pending here and not held is
        # found again after the reconnect.
        for task in tasks:
            self._leases.release(task)
        for task in tasks:
            if waited_ms(task, PutBack.UNKNOWN) > PATIENCE_MS:
                self._leases.hold([task])
                self._committer.put((task, _unwanted(task)))
                continue
            delay = delay_ms(
                task, PutBack.UNKNOWN, self._settings.retry_max_ms, _UNKNOWN_SHARE
            )
            owner = self._leases.owner
            claim.requeue(self._link, owner, [task], delay, PutBack.UNKNOWN)
            log.info("no %s here: event put back for %d ms", _wanted(task), delay)

    def _claim(self, room: int) -> None:
        """Take over what silent owners left, three times a lease."""
        lease_ms = self._settings.lease_ms
        self._next_timer_ms = None
        taken = claim.claim(self._link, self._leases.owner, lease_ms, room)
        if taken.tasks:
            log.warning("took over %d events of a silent worker", len(taken.tasks))
        self._accept(taken)
        if len(taken.tasks) < room:
            # Spread, so that a fleet does not look all at once.
            pause = self._leases.lease / 3
            self._claim_at = monotonic() + pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter

    def _refresh(self) -> None:
        self._next_timer_ms = None
        self._connect()
        self._refresh_at = monotonic() + REFRESH

    def _first(self, predecessors: tuple[Predecessor, ...]) -> None:
        self._come_up(predecessors)
        self._slot.ready()

    def _come_up(self, predecessors: tuple[Predecessor, ...]) -> None:
        while not self._stopping:
            try:
                self._refresh()
                self._adopt(predecessors)
            except (Unavailable, Rejected) as error:
                self._outlast(error)
            else:
                self._settle_in()
                return

    def _settle_in(self) -> None:
        # An outage of the server silences every owner at once: each gets the time to
        # renew before anybody claims.
        self._claim_at = monotonic() + self._leases.lease / 3 + 1
        self._next_timer_ms = None

    def _adopt(self, predecessors: tuple[Predecessor, ...]) -> None:
        for place, dead in enumerate(predecessors):
            count = self._take_all_of(dead, predecessors[place:])
            if count:
                log.warning("adopted %d events of %s", count, dead.consumer)

    def _take_all_of(
        self, dead: Predecessor, before: tuple[Predecessor, ...] = ()
    ) -> int:
        """Move all of a consumer's entries here; the own ones held are passed over.

        Args:
            dead: whose.
            before: it, and those whose entries it may not have come to run, the last to
                die first: how they died is known of what they ran.
        """
        total = 0
        while True:
            moved, taken = claim.adopt(
                self._link,
                self._leases.owner,
                dead.consumer,
                started=deaths.charged(dead),
                held=list(self._leases.held),
            )
            self._accept(taken, before)
            total += moved
            if not moved:
                return total

    def _outlast(self, error: Exception) -> None:
        """Wait until Redis works again, then make up what may have been missed."""
        since = monotonic()
        self._slot.redis_down(since)
        log.warning("%s; waiting for it, nothing is lost", error)
        pause = 0.05
        while not self._stopping:
            self._asleep(lambda: sleep(pause * random.uniform(0.5, 1.5)))  # noqa: B023, S311 - called at once; jitter
            pause = min(pause * 2, 2.0)
            if self._recovered():
                self._slot.redis_down(0.0)
                log.info("Redis is back after %.1f s", monotonic() - since)
                return

    def _recovered(self) -> bool:
        former = self._leases.owner.consumer
        try:
            self._connect()
            self._leases.renew()
            found = self._find_unheld(former)
        except (Unavailable, Rejected) as error:
            log.debug("still away: %s", error)
            return False
        except ConfigurationError as error:
            log.warning("%s; waiting", error)
            return False
        if found:
            log.info("found %d events whose hand-out never arrived", found)
        self._settle_in()
        return True

    def _find_unheld(self, consumer: str) -> int:
        """Hold what this worker was handed out under a name and does not hold."""
        return self._take_all_of(Predecessor(consumer, ()))


def _unwanted(task: Task) -> Decision:
    failure = Failure(
        category="permanent",
        error_type="UnknownWorkflow",
        message=f"no instance had the {_wanted(task)} for an hour",
        attempts=0,
    )
    return Decision(Outcome.FAILED, failure=failure, journaled=len(task.journal))


def _wanted(task: Task) -> str:
    version = task.record.version if task.record else None
    return f"workflow {task.workflow}" + (f" version {version}" if version else "")
