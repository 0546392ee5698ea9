"""The scoreboard: one shared anonymous mapping, made by the master before it forks.

Owns the layout, and who may write what: **every word has one writer**. A slot has two
halves. The master's half says who lives there and how often tenants died. The tenant's
half is written by the one worker that lives there: state, heartbeat, counters, and a
lane per thread that says what runs. Behind all slots each has room for its metrics,
whose form is ``metrics/page.py``'s. Everybody may read everything. Counters are never
reset, so they survive a worker.

Scalars are aligned 8-byte words, stored and loaded whole. What spans words that must
agree, a lane and the handing on of a seat from slot to slot, has a sequence number, odd
while it is being written.

It must never lock, allocate per event or call out: it is written for every event, and
its writers die at any instruction.
"""

from __future__ import annotations

import enum
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

from workflow_worker.board.lane import PAUSES, WORD
from workflow_worker.board.slot import Slot, slot_words
from workflow_worker.board.views import Counters, Restart, ServiceView, SlotView
from workflow_worker.clock import monotonic, sleep

_HEADER_WORDS = 16
_METRICS_WORDS = 2**17
"""A MiB for each slot; memory is used when written first."""


class _Header(enum.IntEnum):
    """Words of the board as a whole; the master writes them."""

    BEAT = 0
    STOPPING = 1
    ARRANGED = 2
    REPLACED = 4
    """One word per :class:`Restart`."""


class Board:
    """All slots; make it with :meth:`create` before the first fork."""

    def __init__(self, memory: memoryview, slots: int, lanes: int) -> None:
        self.lanes = lanes
        self._ints = memory.cast("q")
        self._floats = memory.cast("d")
        words = slot_words(lanes)
        behind = _HEADER_WORDS + slots * words
        rooms = range(behind * WORD, len(memory), _METRICS_WORDS * WORD)
        self.slots = tuple(
            Slot(
                memory,
                index,
                _HEADER_WORDS + index * words,
                lanes,
                memory[room : room + rooms.step],
            )
            for index, room in enumerate(rooms)
        )

    @classmethod
    def create(cls, slots: int, lanes: int) -> Board:
        """Map a board that children made by fork share.

        Args:
            slots: most processes that can live at once.
            lanes: most threads of one of them. Memory is used when written first.
        """
        words = _HEADER_WORDS + slots * (slot_words(lanes) + _METRICS_WORDS)
        return cls(memoryview(mmap.mmap(-1, words * WORD)), slots, lanes)

    def beat(self) -> None:
        """Note that the master went through another round."""
        self._floats[_Header.BEAT] = monotonic()

    def count_restart(self, cause: Restart) -> None:
        """Note that a worker is replaced, and why."""
        self._ints[_Header.REPLACED + cause] += 1

    def stopping(self) -> None:
        """Note that the service was told to stop."""
        self._ints[_Header.STOPPING] = 1

    def service(self) -> ServiceView:
        """Return what the master says of itself."""
        ints = self._ints
        return ServiceView(
            beat=self._floats[_Header.BEAT],
            replaced={cause: ints[_Header.REPLACED + cause] for cause in Restart},
            stopping=bool(ints[_Header.STOPPING]),
        )

    @contextmanager
    def arranging(self) -> Iterator[None]:
        """Change several slots as one: readers see all of it or nothing (master)."""
        self._ints[_Header.ARRANGED] += 1
        try:
            yield
        finally:
            self._ints[_Header.ARRANGED] += 1

    def views(self) -> tuple[SlotView, ...]:
        """Return every slot that has a process or waits for one."""
        for pause in PAUSES:
            before = self._ints[_Header.ARRANGED]
            views = tuple(slot.view() for slot in self.slots if slot.taken)
            if not before & 1 and before == self._ints[_Header.ARRANGED]:
                break
            sleep(pause)
        return views

    def totals(self) -> Counters:
        """Add up what the tenants of all slots did, the dead ones included."""
        rows = (slot.counts() for slot in self.slots)
        return Counters(*(sum(column) for column in zip(*rows, strict=True)))
