"""Small disks that can be full: tmpfs in a mount namespace that nobody else sees.

Owns the process that keeps the namespace alive, and with its end the disk is gone. Its
files are reached from outside through that process, so nothing that uses the disk has
to run in the namespace, and the machine's own mounts are never changed.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Self

MOUNTED = 'mount -t tmpfs -o size="$1" small "$0" && echo mounted && exec cat'


class Disk:
    """A disk of so many bytes, mounted over an empty folder."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._size = size
        self._keeper = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation", "private"),
                *("sh", "-c", MOUNTED, str(folder), str(size)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"mounted\n":
            self.close()
            message = f"no disk could be mounted over {folder}"
            raise OSError(message)
        self.path = Path(f"/proc/{self._keeper.pid}/root{folder}")
        """Where its files are, for every process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, with all its files."""
        self._keeper.kill()
        self._keeper.communicate()

    def fill(self) -> None:
        """Leave no room at all: as large as what is on it now."""
        for _ in range(100):
            found = os.statvfs(self.path)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            # Refused if something was written since.
            if self._resize(max(used, found.f_frsize)):
                return
        message = f"{self._folder} can't be filled: it is written to all the time"
        raise OSError(message)

    def free(self) -> None:
        """Give it back its room."""
        if not self._resize(self._size):
            message = f"{self._folder} can't be freed"
            raise OSError(message)

    def _resize(self, size: int) -> bool:
        resized = subprocess.run(
            [
                *("nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt"),
                *("mount", "-o", f"remount,size={size}", str(self._folder)),
            ],
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return resized.returncode == 0
