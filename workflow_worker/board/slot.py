"""A slot: one worker's place on the board, in two halves.

Owns who may write what: the master's half says who lives here and how often tenants
died, the tenant's half is written by the worker that lives here. It must never give a
word two living writers, nor reset a counter.
"""

from __future__ import annotations

import enum

from workflow_worker.board.lane import (
    DEADLINE,
    LANE_WORDS,
    SINCE,
    WORD,
    Lane,
    text,
)
from workflow_worker.board.views import (
    COUNTERS,
    Counters,
    LaneView,
    Restart,
    SlotView,
    State,
)
from workflow_worker.clock import monotonic, wall_ms

_SLOT_WORDS = 72
_CONSUMER_BYTES = 128
_FLOODED_BYTES = 64


class _Word(enum.IntEnum):
    """Words of a slot: the master's, the tenant's, the counters, texts."""

    GENERATION = 0
    PID = 1
    SERVING = 2
    FORKED_AT = 3
    RESTARTED_AT = 4
    STREAK = 5
    RETRY_AT = 6
    EXIT_STATUS = 7
    CAUSE = 8
    CPU_SECONDS = 9
    TENANT_GENERATION = 16
    STATE = 17
    HEARTBEAT = 18
    STARTED_MS = 19
    READY_AT = 20
    REDIS_DOWN_SINCE = 21
    LANES = 22
    RECENT_RUNS = 23
    RECENT_ERRORS = 24
    SATURATED_SINCE = 25
    COUNTERS = 32
    CONSUMER = 40
    FLOODED = 56


def slot_words(lanes: int) -> int:
    """Return how many words a slot with so many lanes takes."""
    return _SLOT_WORDS + lanes * LANE_WORDS


class Slot:
    """One place on the board.

    The master calls :meth:`seat`, :meth:`hand_over`, :meth:`inhabited` and
    :meth:`vacated`; the tenant, from :meth:`begin` on, everything else that writes.

    Attributes:
        metrics: room for what the tenant counts, see ``metrics/page.py``.
    """

    def __init__(
        self,
        memory: memoryview,
        index: int,
        word: int,
        lanes: int,
        metrics: memoryview,
    ) -> None:
        self.index = index
        self.metrics = metrics
        size = slot_words(lanes) * WORD
        self._memory = memory[word * WORD : word * WORD + size]
        self._ints = self._memory.cast("q")
        self._floats = self._memory.cast("d")
        self._lanes = lanes

    def seat(self, *, serving: bool) -> None:
        """Say whether this slot counts as one of the service's workers (master)."""
        self._ints[_Word.SERVING] = serving

    def hand_over(self, *, restarted: bool) -> None:
        """Prepare for a process about to be forked; the former is reaped (master).

        The next generation makes everything the former tenant wrote void at once,
        its counters excepted.
        """
        now = monotonic()
        self._floats[_Word.FORKED_AT] = now
        self._floats[_Word.RESTARTED_AT] = now if restarted else 0.0
        self._floats[_Word.RETRY_AT] = 0.0
        self._ints[_Word.GENERATION] += 1

    def inhabited(self, pid: int) -> None:
        """Note which process lives here now (master)."""
        self._ints[_Word.PID] = pid

    def vacated(
        self,
        exit_status: int,
        cause: Restart = Restart.NONE,
        cpu_seconds: float = 0.0,
    ) -> None:
        """Note that the process was reaped (master).

        Args:
            exit_status: minus the signal if one killed it.
            cause: why it is replaced.
            cpu_seconds: processor time it took in all.
        """
        self._ints[_Word.EXIT_STATUS] = exit_status
        self._ints[_Word.CAUSE] = cause
        self._floats[_Word.CPU_SECONDS] += cpu_seconds
        self._ints[_Word.PID] = 0

    def backs_off(self, streak: int, retry_at: float) -> None:
        """Note how many died here in a row and when the next is started (master)."""
        self._ints[_Word.STREAK] = streak
        self._floats[_Word.RETRY_AT] = retry_at

    def begin(self, consumer: str) -> None:
        """Move in: what the former tenant left is cleared, its counters are kept.

        Args:
            consumer: name in the stream's group; at most 128 octets are kept.
        """
        ints, floats = self._ints, self._floats
        for number in range(ints[_Word.LANES]):
            self._lane(number).clear()
        ints[_Word.LANES] = 0
        self.renamed(consumer)
        self.flooded("")
        self.recently(0, 0)
        self.saturated(0.0)
        ints[_Word.STARTED_MS] = wall_ms()
        ints[_Word.STATE] = State.STARTING
        floats[_Word.READY_AT] = floats[_Word.REDIS_DOWN_SINCE] = 0.0
        floats[_Word.HEARTBEAT] = monotonic()
        # Last: from here on readers believe the rest.
        ints[_Word.TENANT_GENERATION] = ints[_Word.GENERATION]

    def renamed(self, consumer: str) -> None:
        """Say which name is used in the stream's group from now on."""
        self._write(_Word.CONSUMER, consumer, _CONSUMER_BYTES)

    def flooded(self, workflow: str) -> None:
        """Say of which workflow most runs fail, so its retries are held back.

        Args:
            workflow: its name; at most 64 octets are kept. Empty: of none.
        """
        self._write(_Word.FLOODED, workflow, _FLOODED_BYTES)

    def ready(self) -> None:
        """Say that events can be taken now."""
        self._floats[_Word.READY_AT] = monotonic()
        self._ints[_Word.STATE] = State.READY

    def draining(self) -> None:
        """Say that no further events are taken."""
        self._ints[_Word.STATE] = State.DRAINING

    def stopped(self) -> None:
        """Say that everything was given back."""
        self._ints[_Word.STATE] = State.STOPPED

    def beat(self) -> None:
        """Give a sign of life."""
        self._floats[_Word.HEARTBEAT] = monotonic()

    def recently(self, runs: int, errors: int) -> None:
        """Say how many runs ended in the last minutes, and how many of them failed."""
        self._ints[_Word.RECENT_RUNS] = runs
        self._ints[_Word.RECENT_ERRORS] = errors

    def saturated(self, since: float) -> None:
        """Say since when all threads are busy while events wait; 0: they are not.

        Args:
            since: monotonic seconds.
        """
        self._floats[_Word.SATURATED_SINCE] = since

    def redis_down(self, since: float) -> None:
        """Say since when Redis does not answer, in monotonic seconds; 0: it does."""
        self._floats[_Word.REDIS_DOWN_SINCE] = since

    def add(
        self,
        *,
        succeeded: int = 0,
        failed: int = 0,
        retried: int = 0,
        suspended: int = 0,
        ignored: int = 0,
        dead_letters: int = 0,
        leases_lost: int = 0,
    ) -> None:
        """Count what a commit did; only ever called by one thread of the tenant."""
        ints, at = self._ints, int(_Word.COUNTERS)
        ints[at] += succeeded
        ints[at + 1] += failed
        ints[at + 2] += retried
        ints[at + 3] += suspended
        ints[at + 4] += ignored
        ints[at + 5] += dead_letters
        ints[at + 6] += leases_lost

    def lane(self, number: int) -> Lane:
        """Return the lane of one thread, for the tenant to write.

        Raises:
            IndexError: the board was made with fewer lanes.
        """
        if not 0 <= number < self._lanes:
            msg = f"lane {number} of {self._lanes}"
            raise IndexError(msg)
        if number >= self._ints[_Word.LANES]:
            self._ints[_Word.LANES] = number + 1
        return self._lane(number)

    def busy(self, first: int | None = None) -> int:
        """Return how many of so many first lanes, or of all, run something."""
        lanes = self._ints[_Word.LANES] if self._begun else 0
        end = _SLOT_WORDS + (lanes if first is None else min(first, lanes)) * LANE_WORDS
        sinces = self._floats[_SLOT_WORDS + SINCE : end : LANE_WORDS].tolist()
        return sum(map(bool, sinces))

    @property
    def heartbeat(self) -> float:
        """When the process gave its last sign of life, being forked the first one."""
        word = _Word.HEARTBEAT if self._begun else _Word.FORKED_AT
        return float(self._floats[word])

    @property
    def state(self) -> State:
        """What the process says of itself."""
        return self._state(self._ints[_Word.PID], begun=self._begun)

    @property
    def taken(self) -> bool:
        """A process lives here, or one will."""
        return bool(self._ints[_Word.SERVING] or self._ints[_Word.PID])

    @property
    def used(self) -> bool:
        """A process lives here, or one did."""
        return self._ints[_Word.GENERATION] > 0

    @property
    def counters(self) -> Counters:
        """What its tenants did."""
        return Counters(*self.counts())

    def counts(self) -> tuple[int, ...]:
        """Return the counters, in the order of :class:`Counters`."""
        at = int(_Word.COUNTERS)
        return tuple(self._ints[at : at + len(COUNTERS)])

    def deadlines(self) -> list[float]:
        """Return when what runs here is overdue, in monotonic seconds (master).

        Cheap enough for every round of the master, as it looks at nothing else.
        """
        if not self._begun:
            return []
        end = _SLOT_WORDS + self._ints[_Word.LANES] * LANE_WORDS
        sinces = self._floats[_SLOT_WORDS + SINCE : end : LANE_WORDS].tolist()
        deadlines = self._floats[_SLOT_WORDS + DEADLINE : end : LANE_WORDS].tolist()
        rows = zip(sinces, deadlines, strict=True)
        return [deadline for since, deadline in rows if since and deadline]

    def overdue(self, now: float) -> tuple[LaneView, ...]:
        """Return the lanes whose deadline is over (master).

        One that is being written belongs to a thread that goes on, so it is left out.
        """
        lanes = range(self._ints[_Word.LANES]) if self._begun else ()
        views = (self._lane(number).glance(number) for number in lanes)
        return tuple(view for view in views if view and 0 < view.deadline <= now)

    def view(self) -> SlotView:
        """Read everything; a process that has not begun yet shows as starting."""
        ints, floats = self._ints, self._floats
        begun = self._begun
        pid, forked_at = ints[_Word.PID], floats[_Word.FORKED_AT]
        alive = begun and pid != 0
        return SlotView(
            index=self.index,
            serving=bool(ints[_Word.SERVING]),
            pid=pid,
            generation=ints[_Word.GENERATION],
            state=self._state(pid, begun=begun),
            forked_at=forked_at,
            restarted_at=floats[_Word.RESTARTED_AT],
            ready_at=floats[_Word.READY_AT] if begun else 0.0,
            heartbeat=floats[_Word.HEARTBEAT] if begun else forked_at,
            started_ms=ints[_Word.STARTED_MS] if begun else 0,
            redis_down_since=floats[_Word.REDIS_DOWN_SINCE] if alive else 0.0,
            consumer=self._text(_Word.CONSUMER, _CONSUMER_BYTES) if begun else "",
            streak=ints[_Word.STREAK],
            retry_at=floats[_Word.RETRY_AT],
            exit_status=ints[_Word.EXIT_STATUS],
            counters=self.counters,
            lanes=self._busy() if alive else (),
            flooded=self._text(_Word.FLOODED, _FLOODED_BYTES) if alive else "",
            cause=Restart(ints[_Word.CAUSE]),
            cpu_seconds=floats[_Word.CPU_SECONDS],
            recent_runs=ints[_Word.RECENT_RUNS] if alive else 0,
            recent_errors=ints[_Word.RECENT_ERRORS] if alive else 0,
            saturated_since=floats[_Word.SATURATED_SINCE] if alive else 0.0,
        )

    @property
    def _begun(self) -> bool:
        """Whether what stands in the tenant's half is that of the latest process."""
        return self._ints[_Word.TENANT_GENERATION] == self._ints[_Word.GENERATION]

    def _state(self, pid: int, *, begun: bool) -> State:
        if not pid:
            return State.FREE
        return State(self._ints[_Word.STATE]) if begun else State.STARTING

    def _write(self, word: int, name: str, octets: int) -> None:
        at = word * WORD
        self._memory[at : at + octets] = name.encode()[:octets].ljust(octets, b"\0")

    def _text(self, word: int, octets: int) -> str:
        at = word * WORD
        return text(bytes(self._memory[at : at + octets]), octets)

    def _lane(self, number: int) -> Lane:
        return Lane(self._memory, _SLOT_WORDS + number * LANE_WORDS)

    def _busy(self) -> tuple[LaneView, ...]:
        lanes = range(self._ints[_Word.LANES])
        views = (self._lane(number).view(number) for number in lanes)
        return tuple(view for view in views if view)
