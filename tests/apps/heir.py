"""One worker without a master, told of a dead one: ``python -m tests.apps.heir FILE``.

The file holds the settings and, as JSON each, what the board showed of the dead.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import msgspec

from workflow_worker.board import Board
from workflow_worker.model import Predecessor
from workflow_worker.settings import Settings
from workflow_worker.worker.main import run_worker


def main(told: dict[str, object]) -> int:
    settings = Settings(**told["settings"])  # type: ignore[arg-type]
    slot = Board.create(1, 2 * settings.concurrency_limit).slots[0]
    dead = msgspec.convert(told["dead"], tuple[Predecessor, ...])
    master_fd, _ = os.pipe()
    return run_worker(settings, slot, 0, "heir", dead, master_fd)


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text())))
