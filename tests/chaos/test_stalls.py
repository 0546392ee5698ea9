"""What the machine itself holds up is noted, and not blamed on the product."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from tests.chaos.campaign.history import History
from tests.chaos.campaign.stalls import LONG, lookout
from tests.servers import Server, wait_until


def test_a_time_without_an_answer_is_noted(own_server: Server, tmp_path: Path) -> None:
    assert own_server.process is not None
    with lookout(own_server, tmp_path):
        own_server.process.send_signal(signal.SIGSTOP)
        # Not a wait for something: it is how long the stall lasts.
        threading.Event().wait(2 * LONG)
        own_server.process.send_signal(signal.SIGCONT)
        wait_until(lambda: History.load(tmp_path).faults)
    stall = History.load(tmp_path).faults[0]
    assert stall.name == "stall"
    assert stall.healed - stall.struck > LONG
