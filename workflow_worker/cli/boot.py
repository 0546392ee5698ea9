"""What must be right before a service starts: streams, App, port, pidfile.

Owns the checks that end a start with one sentence. It runs in the process that becomes
the master, so it must never import redis, flask or an App: the App is tried in a child
that is thrown away.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from workflow_worker import log as logs
from workflow_worker.errors import ConfigurationError
from workflow_worker.settings import Settings

if TYPE_CHECKING:
    from workflow_worker.app import App

BACKLOG = 128
"""Connections that may wait for the monitor."""
LONGEST_SENTENCE = 4096
"""Bytes; less than a pipe holds, so that telling never blocks."""
UNUSABLE = 2
STDERR = 2


# --- the standard streams ---------------------------------------------------------


def hold_standard_streams() -> None:
    """Put the null device where standard input, output or error is closed.

    Else the next file or socket gets its number, and what is printed goes there.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(fd, True)
    os.close(fd)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


# --- the App ----------------------------------------------------------------------


def import_from_here() -> None:
    """Put the working directory first on ``sys.path``, for children to inherit."""
    here = str(Path.cwd())
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)


def try_app(
    spec: str,
    look: Callable[[App], object] | None = None,
    beside: Callable[[], object] | None = None,
) -> None:
    """Import the App in a child; prints the user's traceback where there is one.

    Args:
        spec: ``module:attribute``.
        look: called with the App, in the child.
        beside: called in this process meanwhile.

    Raises:
        ConfigurationError: it can't be imported or is no App.
    """
    logs.flush()
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        _be_the_child(spec, tell, look)
    try:
        os.close(tell)
        status = _wait(pid, beside)
        sentence = os.read(told, LONGEST_SENTENCE) if status == UNUSABLE else b""
    finally:
        os.close(told)
    if status:
        raise ConfigurationError(
            sentence.decode("utf-8", "replace") or f"{spec} {_ended(status)}"
        )


def _be_the_child(
    spec: str, tell: int, look: Callable[[App], object] | None
) -> NoReturn:
    """Import, tell and vanish; never goes back into the parent's code."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        load_app = importlib.import_module("workflow_worker.app").load_app
        app = load_app(spec)
        if look is not None:
            look(app)
        status = 0
    except ConfigurationError as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        os.write(tell, str(error).encode()[:LONGEST_SENTENCE])
        status = UNUSABLE
    except BaseException:  # noqa: BLE001 - nothing may unwind into the parent's code
        traceback.print_exc()
    finally:
        logs.flush()
        # Not exit(): threads that the user's module started would hold it.
        os._exit(status)


def _wait(pid: int, beside: Callable[[], object] | None) -> int:
    """Reap the child; it does not outlive an interrupted wait."""
    try:
        if beside is not None:
            beside()
        _, status = os.waitpid(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return os.waitstatus_to_exitcode(status)


def _ended(status: int) -> str:
    if status < 0:
        return f"killed its process when imported ({signal.Signals(-status).name})"
    return f"ended its process when imported (exit status {status})"


# --- the port ---------------------------------------------------------------------


def listen(settings: Settings) -> socket.socket | None:
    """Bind the HTTP port; the monitor serves it. None if it is off.

    Raises:
        ConfigurationError: the port is in use, or can't be bound.
    """
    if settings.http_port is None:
        return None
    host, port = settings.http_host, settings.http_port
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"HTTP_HOST is {host!r}, but must be an address of this host: "
            f"{error.strerror}"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"HTTP_PORT {port} on {host} can't be bound, "
            f"{os.strerror(error.errno or 0).lower()}: choose another one, 0 for a "
            "free one, or off"
        ) from error


def url_of(listener: socket.socket) -> str:
    """Return the address of a bound socket as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


# --- the pidfile ------------------------------------------------------------------


@contextlib.contextmanager
def pidfile(path: Path | None) -> Iterator[None]:
    """Hold a file with this process's pid; None holds nothing.

    Raises:
        ConfigurationError: it names a living process, or can't be written.
    """
    if path is None:
        yield
        return
    # Before chdir by anybody: removed is what was written.
    path = path.absolute()
    _claim(path)
    try:
        yield
    finally:
        if _pid_in(path) == os.getpid():
            path.unlink(missing_ok=True)


def _claim(path: Path) -> None:
    pid = _pid_in(path)
    if pid and pid != os.getpid() and _alive(pid):
        raise ConfigurationError(f"{path} names a running process, {pid}")
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        fresh.write_text(f"{os.getpid()}\n", "ascii")
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{path} can't be written: {error.strerror}"
        ) from error


def _pid_in(path: Path) -> int:
    """Return the pid in a file; 0 if there is none."""
    try:
        text = path.read_text("ascii", "replace").strip()
    except OSError:
        return 0
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 - no pid is longer


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
