"""A terminal with a program in it: what it shows, keys for it, and its modes after."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from typing import Any, Self

from tests.servers import wait_until

OTHER_SCREEN, FIRST_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
HIDDEN, VISIBLE = "\x1b[?25l", "\x1b[?25h"
"""What makes the cursor so."""
_ENVIRON = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
"""Without what would say that the terminal has another size than it has."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")


class Terminal:
    """Runs a line of shell as the leader of a session with this terminal.

    Killed at the end of the block.
    """

    def __init__(self, line: str, *arguments: str, env: dict[str, str]) -> None:
        self.shown = ""
        self._fd, self._slave = pty.openpty()
        self.resize(80, 24)
        self.modes_before = self.modes()
        tty = os.ttyname(self._slave)
        # Whoever leads a session gets the terminal that it opens first.
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec <>"$0" >&0 2>&0; {line}', tty, *arguments],
            env=_ENVIRON | {"TERM": "xterm-256color"} | env,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self._slave)
        os.close(self._fd)

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self._slave)

    def resize(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, size)

    def press(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def read(self) -> str:
        """Return all that was shown so far."""
        while select.select([self._fd], [], [], 0)[0]:
            self.shown += os.read(self._fd, 65_536).decode(errors="replace")
        return self.shown

    def until(self, text: str) -> None:
        """Wait until this text was shown."""
        wait_until(lambda: text in self.read(), what=f"{text!r} in {self.shown!r}")

    def again(self) -> None:
        """Forget what was shown so far."""
        self.read()
        self.shown = ""

    def ended(self) -> int:
        """Wait for its end; return its exit status."""

        def over() -> bool:
            self.read()  # else what it shows last would hold it up
            return self.process.poll() is not None

        wait_until(over, what=f"the end, after {self.shown!r}")
        self.read()
        assert self.process.returncode is not None
        return self.process.returncode


def lines(shown: str) -> list[str]:
    """Return what a person reads, line by line."""
    return _CONTROL.sub("", shown).replace("\r", "").split("\n")


def coloured(shown: str) -> bool:
    """Tell whether anything has a colour."""
    return bool(_COLOUR.search(shown))
