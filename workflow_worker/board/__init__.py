"""The scoreboard that master, workers and monitor share: public names, nothing else."""

from workflow_worker.board.lane import Lane
from workflow_worker.board.scoreboard import Board
from workflow_worker.board.slot import Slot
from workflow_worker.board.views import (
    Counters,
    LaneView,
    Restart,
    ServiceView,
    SlotView,
    State,
)

__all__ = [
    "Board",
    "Counters",
    "Lane",
    "LaneView",
    "Restart",
    "ServiceView",
    "Slot",
    "SlotView",
    "State",
]
