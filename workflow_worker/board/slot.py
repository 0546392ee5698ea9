"""A slot: one worker's place on the board, in two halves.

Owns who may write what: the master's half says who lives here and how often tenants
died, the tenant's half is written by the worker that lives here. It must never give a
word two living writers, nor reset a counter.
"""

from __future__ import annotations

import enum

from workflow_worker.board.lane import LANE_WORDS, WORD, Lane, text
from workflow_worker.board.views import COUNTERS, Counters, LaneView, SlotView, State
from workflow_worker.clock import monotonic, wall_ms

_SLOT_WORDS = 64
_CONSUMER_BYTES = 128


class _Word(enum.IntEnum):
    """Words of a slot: the master's, the tenant's, the counters, the consumer."""

    GENERATION = 0
    PID = 1
    SERVING = 2
    FORKED_AT = 3
    RESTARTED_AT = 4
    STREAK = 5
    RETRY_AT = 6
    EXIT_STATUS = 7
    TENANT_GENERATION = 16
    STATE = 17
    HEARTBEAT = 18
    STARTED_MS = 19
    READY_AT = 20
    REDIS_DOWN_SINCE = 21
    LANES = 22
    COUNTERS = 32
    CONSUMER = 40


def slot_words(lanes: int) -> int:
    """Return how many words a slot with so many lanes takes."""
    return _SLOT_WORDS + lanes * LANE_WORDS


class Slot:
    """One place on the board.

    The master calls :meth:`seat`, :meth:`hand_over`, :meth:`inhabited` and
    :meth:`vacated`; the tenant, from :meth:`begin` on, everything else that writes.
    """

    def __init__(self, memory: memoryview, index: int, word: int, lanes: int) -> None:
        self.index = index
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

    def vacated(self, exit_status: int) -> None:
        """Note that the process was reaped (master)."""
        self._ints[_Word.EXIT_STATUS] = exit_status
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
        for lane in range(ints[_Word.LANES]):
            self.lane(lane).clear()
        ints[_Word.LANES] = 0
        self.renamed(consumer)
        ints[_Word.STARTED_MS] = wall_ms()
        ints[_Word.STATE] = State.STARTING
        floats[_Word.READY_AT] = floats[_Word.REDIS_DOWN_SINCE] = 0.0
        floats[_Word.HEARTBEAT] = monotonic()
        # Last: from here on readers believe the rest.
        ints[_Word.TENANT_GENERATION] = ints[_Word.GENERATION]

    def renamed(self, consumer: str) -> None:
        """Say which name is used in the stream's group from now on."""
        name = consumer.encode()[:_CONSUMER_BYTES].ljust(_CONSUMER_BYTES, b"\0")
        at = _Word.CONSUMER * WORD
        self._memory[at : at + _CONSUMER_BYTES] = name

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

    def redis_down(self, since: float) -> None:
        """Say since when Redis does not answer, in monotonic seconds; 0: it does."""
        self._floats[_Word.REDIS_DOWN_SINCE] = since

    def add(
        self,
        *,
        processed: int = 0,
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
        ints[at] += processed
        ints[at + 1] += succeeded
        ints[at + 2] += failed
        ints[at + 3] += retried
        ints[at + 4] += suspended
        ints[at + 5] += ignored
        ints[at + 6] += dead_letters
        ints[at + 7] += leases_lost

    def lane(self, number: int) -> Lane:
        """Return the lane of one pool thread, for the tenant to write.

        Raises:
            IndexError: the board was made with fewer lanes.
        """
        if not 0 <= number < self._lanes:
            msg = f"lane {number} of {self._lanes}"
            raise IndexError(msg)
        if number >= self._ints[_Word.LANES]:
            self._ints[_Word.LANES] = number + 1
        return Lane(self._memory, _SLOT_WORDS + number * LANE_WORDS)

    @property
    def taken(self) -> bool:
        """A process lives here, or one will."""
        return bool(self._ints[_Word.SERVING] or self._ints[_Word.PID])

    def counts(self) -> tuple[int, ...]:
        """Return the counters, in the order of :class:`Counters`."""
        at = int(_Word.COUNTERS)
        return tuple(self._ints[at : at + len(COUNTERS)])

    def view(self) -> SlotView:
        """Read everything; a process that has not begun yet shows as starting."""
        ints, floats = self._ints, self._floats
        begun = ints[_Word.TENANT_GENERATION] == ints[_Word.GENERATION]
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
            consumer=self._consumer() if begun else "",
            streak=ints[_Word.STREAK],
            retry_at=floats[_Word.RETRY_AT],
            exit_status=ints[_Word.EXIT_STATUS],
            counters=Counters(*self.counts()),
            lanes=self._busy() if alive else (),
        )

    def _state(self, pid: int, *, begun: bool) -> State:
        if not pid:
            return State.FREE
        return State(self._ints[_Word.STATE]) if begun else State.STARTING

    def _consumer(self) -> str:
        at = _Word.CONSUMER * WORD
        return text(bytes(self._memory[at : at + _CONSUMER_BYTES]), _CONSUMER_BYTES)

    def _busy(self) -> tuple[LaneView, ...]:
        lanes = range(self._ints[_Word.LANES])
        views = (self.lane(number).view(number) for number in lanes)
        return tuple(view for view in views if view)
