"""A lane: what one thread of a worker runs.

Owns the one piece of the board whose words must agree with each other: a sequence
number, odd while a write is under way, tells readers so. It must never lock or call
out: it is written for every event, and its writer dies at any instruction.
"""

from __future__ import annotations

import struct

from workflow_worker.board.views import LaneView
from workflow_worker.clock import monotonic, sleep

WORD = 8
"""Octets."""
LANE_WORDS = 48

# Longer by some octets than what readers show: a longer text is known to be cut
# without the writer having to look.
_LANE = struct.Struct("@QQQdqd72s72s168s")
_ACTION = struct.Struct("@qd72s")
_ACTION_AT = 32
SINCE, DEADLINE = 1 + 3, 1 + 5
"""Which words of a lane say since when it is busy, and until when it may be."""
_NAME_BYTES, _EXECUTION_BYTES = 64, 160
_Row = tuple[int, int, int, float, int, float, bytes, bytes, bytes]
PAUSES = (0.0,) * 50 + (0.0005,) * 400
"""Seconds between looks at what is being written.

A write takes less than a microsecond, but its writer may have lost its core in the
middle of it. After some 200 ms it is taken for dead.
"""


class Lane:
    """What one thread runs; written by that thread, about half a microsecond a call."""

    __slots__ = (
        "_at",
        "_deadline",
        "_floats",
        "_ints",
        "_memory",
        "_since",
        "_word",
    )

    def __init__(self, memory: memoryview, word: int) -> None:
        self._memory = memory
        self._ints = memory.cast("q")
        self._floats = memory.cast("d")
        self._word = word
        self._at = (word + 1) * WORD
        self._since = word + SINCE
        self._deadline = word + DEADLINE

    def start(
        self,
        ms: int,
        seq: int,
        deliveries: int,
        workflow: bytes,
        execution_id: bytes,
        deadline: float = 0.0,
    ) -> None:
        """Say that this entry begins to run now.

        Args:
            ms: first half of the entry's id.
            seq: second half of it.
            deliveries: how often it was handed out, this time included.
            workflow: its name; 64 octets are shown.
            execution_id: 160 octets are shown.
            deadline: monotonic seconds when the master is to kill the process for it;
                0 for never.
        """
        ints, word = self._ints, self._word
        now = monotonic()
        ints[word] += 1
        _LANE.pack_into(
            self._memory,
            self._at,
            ms,
            seq,
            deliveries,
            now,
            0,
            deadline,
            b"",
            workflow,
            execution_id,
        )
        ints[word] += 1

    def acting(self, action: bytes, ordinal: int = 0, deadline: float = 0.0) -> None:
        """Say which action it is in; empty and 0 between actions.

        Args:
            action: its name; 64 octets are shown.
            ordinal: its place in program order.
            deadline: as of :meth:`start`, from now on.
        """
        ints, word = self._ints, self._word
        ints[word] += 1
        _ACTION.pack_into(
            self._memory, self._at + _ACTION_AT, ordinal, deadline, action
        )
        ints[word] += 1

    def extend(self, deadline: float) -> None:
        """Have another deadline; from any thread, and also while it is stopped."""
        # One word: whoever is interrupted here leaves nothing half written.
        self._floats[self._deadline] = deadline

    def clear(self) -> None:
        """Say that nothing runs here."""
        # One word, so there is nothing to tear; also heals the sequence of a thread
        # that was killed in the middle of a write.
        self._floats[self._since] = 0.0
        self._ints[self._word] &= ~1

    def view(self, number: int) -> LaneView | None:
        """Return what runs here, None for nothing.

        A writer killed in the middle leaves the sequence odd for good; then what is
        there is returned as it is. Its reader checks with Redis anyway.
        """
        for pause in PAUSES:
            row, whole = self._read()
            if whole:
                break
            sleep(pause)
        return _view(number, row)

    def glance(self, number: int) -> LaneView | None:
        """Return what runs here, None for nothing or while it is being written."""
        row, whole = self._read()
        return _view(number, row) if whole else None

    def _read(self) -> tuple[_Row, bool]:
        before = self._ints[self._word]
        row: _Row = _LANE.unpack_from(self._memory, self._at)
        return row, not before & 1 and before == self._ints[self._word]


def _view(number: int, row: _Row) -> LaneView | None:
    ms, seq, deliveries, since, ordinal, deadline, action, workflow, execution = row
    if not since:
        return None
    return LaneView(
        lane=number,
        entry=f"{ms}-{seq}",
        deliveries=deliveries,
        since=since,
        workflow=text(workflow, _NAME_BYTES),
        action=text(action, _NAME_BYTES),
        ordinal=ordinal,
        deadline=deadline,
        execution_id=text(execution, _EXECUTION_BYTES),
    )


def text(raw: bytes, limit: int) -> str:
    """Decode what a writer may have cut anywhere; an ellipsis shows that it did."""
    raw = raw.rstrip(b"\0")
    text = raw[:limit].decode(errors="ignore")
    return text if len(raw) <= limit else f"{text}…"
