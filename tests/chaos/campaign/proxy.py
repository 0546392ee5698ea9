"""The driver's hold on a proxy that runs as a process of its own.

Owns that process and its end. The work is done in ``relay.py``, so that what an
instance says to its server never waits for the driver's interpreter.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any, Self


class Proxy:
    """Stands between one instance and the server at a port on loopback."""

    def __init__(self, target: int) -> None:
        self._lock = threading.Lock()
        """Guards the process' pipes: one question at a time."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.campaign.relay", str(target)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = self._said()["port"]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End the process, and with it every link."""
        # communicate() ends its input, which it takes for the end of its driver.
        try:
            self._process.communicate(timeout=10)
        finally:
            self._process.kill()
            self._process.wait()

    def cut(self) -> None:
        """Break every link now open, wherever in a message it is."""
        self._do("cut")

    def refuse(self) -> None:
        """Break every link and every attempt to make one, until healed."""
        self._do("refuse")

    def freeze(self) -> None:
        """Keep links open, accept new ones, pass nothing on, until healed."""
        self._do("freeze")

    def strand(self) -> None:
        """Leave the links now open half open for good; new ones pass on."""
        self._do("strand")

    def delay(self, seconds: float) -> None:
        """Hold back everything so long, in each direction."""
        self._do("delay", seconds=seconds)

    def truncate(self, answers: int = 1) -> None:
        """Break links in the middle of the next so many answers."""
        self._do("break", how="truncate", count=answers)

    def swallow(self, answers: int = 1) -> None:
        """Break links before the next so many answers: carried out, never heard."""
        self._do("break", how="swallow", count=answers)

    def tear(self, commands: int = 1) -> None:
        """Break links in the middle of the next so many commands."""
        self._do("break", how="tear", count=commands)

    def answer(self, error: str, only: Sequence[str] = (), every: int = 1) -> None:
        """Refuse commands instead of passing them on, until healed.

        Args:
            error: what is said, with its code and without a dash.
            only: these commands in upper case; all if empty.
            every: each so many-th of them.
        """
        self._do("answer", error=error, only=list(only), every=every)

    def heal(self) -> None:
        """Pass on everything from now on, what was held back too."""
        self._do("heal")

    def counts(self) -> dict[str, int]:
        """What it did so far: links made, links broken, commands answered."""
        return self._do("counts")

    def _do(self, what: str, **how: Any) -> dict[str, int]:
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"do": what, **how}) + "\n")
            self._process.stdin.flush()
            return self._said()

    def _said(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            message = f"the proxy ended with status {self._process.wait(10)}"
            raise RuntimeError(message)
        said: dict[str, int] = json.loads(line)
        return said
