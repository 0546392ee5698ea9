"""A machine of the tests' own: a real systemd in a container, and its services.

Runs as root, in namespaces of its own: what is mounted there is mounted for nobody
else, and killing it ends all that runs in it. Shares the network, for Redis and HTTP.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Self

import psutil

from tests.servers import wait_until

CHECKOUT = Path(__file__).parent.parent.parent
UNITS = CHECKOUT / "scripts" / "systemd"
MACHINE_ID = "5f1d2b9c0e7a4c3d8b6a9f0e1d2c3b4a"
LINKS = ("bin", "sbin", "lib", "lib64")
"""Names in ``/`` that Debian merged into ``/usr``."""
MOUNTS = ("proc", "sys", "dev", "tmp", "run", "usr", "var", "root", "home")
BOOT = """
for group; do echo $$ > "$group/cgroup.procs"; done
mount -t tmpfs tmpfs /run && exec systemd-nspawn --quiet --register=no --keep-unit \
  --directory="$ROOT" --bind-ro=/usr --bind-ro="$PYTHON:/opt/python" \
  --bind-ro="$PACKAGES:/opt/packages" --bind-ro="$CHECKOUT:/opt/checkout" \
  --console=pipe --boot -- --unit=quiet.target
"""
COMMAND = """#!/srv/{name}/.venv/bin/python
from workflow_worker.cli.main import main

main()
"""


def unable() -> str:
    """Why this machine can't boot one; empty if it can."""
    if os.geteuid():
        return "only root may boot a container"
    missing = [each for each in ("systemd-nspawn", "unshare") if not shutil.which(each)]
    return f"{', '.join(missing)} not found" if missing else ""


class Machine:
    """Boots at the start of the block, and is gone after it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._log = folder / "console.log"
        name = f"wfworker-tests-{os.getpid()}"
        self._groups = [group / name for group in _own_groups()]
        self._pid = 0

    def __enter__(self) -> Self:
        self._furnish()
        for group in self._groups:
            group.mkdir()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    # However the tests end, nothing of it is left.
                    *("setpriv", "--pdeathsig=KILL"),
                    *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
                    *("--propagation", "private", "sh", "-ec", BOOT, "boot"),
                    *map(str, self._groups),
                ],
                env=os.environ
                | {
                    "ROOT": str(self.root),
                    "PYTHON": sys.base_prefix,
                    "PACKAGES": sysconfig.get_path("purelib"),
                    "CHECKOUT": str(CHECKOUT),
                    # In the older hierarchy it is not told when a group is empty.
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._pid = wait_until(self._booted, what="systemd answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)
        for group in self._groups:
            wait_until(lambda: _remove(group), what=f"{group} is empty")  # noqa: B023 - called at once

    def install(self, name: str, app: str) -> None:
        """Make ``/srv/NAME``: an App in the module ``shop``, and what runs it."""
        home = self.root / "srv" / name
        packages = home / ".venv" / "lib" / _python() / "site-packages"
        packages.mkdir(parents=True)
        (packages / "opt.pth").write_text("/opt/checkout\n/opt/packages\n")
        (home / "shop.py").write_text(app)
        (home / ".venv" / "pyvenv.cfg").write_text("home = /opt/python/bin\n")
        folder = home / ".venv" / "bin"
        folder.mkdir()
        (folder / "python").symlink_to(f"/opt/python/bin/{_python()}")
        command = folder / "wfworker"
        command.write_text(COMMAND.format(name=name))
        command.chmod(0o755)

    def configure(self, name: str, **settings: str) -> None:
        """Write ``/etc/wfworker/NAME.env``, for root alone."""
        path = self.root / "etc" / "wfworker" / f"{name}.env"
        path.touch(mode=0o600)
        # Where the interpreter is made to look, its library is not in this machine.
        all_of_them = {"LD_LIBRARY_PATH": "/opt/python/lib", **settings}
        path.write_text("".join(f"{k}={v}\n" for k, v in all_of_them.items()))

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the machine and return what it printed."""
        entered = ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--ipc"]
        done = subprocess.run(
            [*entered, "--", *command],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        if check and done.returncode:
            message = f"{command}: exit status {done.returncode}: {said}{self.log()}"
            raise AssertionError(message)
        return said

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        return self.run("systemctl", "--no-pager", *arguments, check=check)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit).strip()

    def processes(self, unit: str) -> list[psutil.Process]:
        """All living processes of a unit."""
        path = self.show(unit, "ControlGroup").lstrip("/")
        files = [group / "payload" / path / "cgroup.procs" for group in self._groups]
        lists = [file.read_text().split() for file in files if path and file.exists()]
        return [psutil.Process(int(pid)) for pid in {pid for p in lists for pid in p}]

    def log(self) -> str:
        """Everything that its services logged."""
        return self.run("journalctl", "--no-pager", "--output=cat", check=False)

    def _furnish(self) -> None:
        for name in (*MOUNTS, "srv", "etc/wfworker", "etc/systemd/system"):
            (self.root / name).mkdir(parents=True)
        self.root.chmod(0o755)
        (self.root / "tmp").chmod(0o1777)
        for name in LINKS:
            (self.root / name).symlink_to(f"usr/{name}")
        etc = self.root / "etc"
        for name in ("os-release", "passwd", "group", "nsswitch.conf"):
            shutil.copy(Path("/etc") / name, etc / name)
        (etc / "machine-id").write_text(MACHINE_ID + "\n")
        (etc / "hostname").write_text("wfworker-test\n")
        units = etc / "systemd" / "system"
        (units / "quiet.target").write_text("[Unit]\nDescription=Nothing but systemd\n")
        for unit in UNITS.iterdir():
            shutil.copy(unit, units / unit.name)

    def _booted(self) -> int:
        if self._process.poll() is not None:
            message = f"it did not boot: {self._log.read_text()}"
            raise AssertionError(message)
        for process in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                door = Path(f"/proc/{process.pid}/root/run/systemd/private")
                if process.name() == "systemd" and door.exists():
                    return process.pid
        return 0


def _own_groups() -> list[Path]:
    """The control groups of this process that a systemd keeps its services in."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, names, path = line.split(":", 2)
        if names == "name=systemd":
            found.append(Path(f"/sys/fs/cgroup/systemd{path}"))
        elif number == "0":
            unified = Path("/sys/fs/cgroup/unified")
            found.append((unified if unified.exists() else unified.parent) / path[1:])
    return found


def _remove(group: Path) -> bool:
    """Remove a control group with all below it; False while something lives there."""
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True


def _python() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
