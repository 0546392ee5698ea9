"""Events of every fate: each says in its payload what becomes of it.

Every run of an action leaves one line, ``<event> <attempt>``, in the file of its fate
and process: what was begun is known though the process die of it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import threading
from pathlib import Path

from workflow_worker import (
    App,
    Context,
    Event,
    PermanentError,
    RecoverableError,
    TransientError,
    current_action,
)

app = App("mixed")
FOLDER = Path(os.environ.get("MARKS", "."))
MUCH = 64 * 2**20
"""Octets that a greedy action may still get before its process is killed for more."""


def note(fate: str, number: int, attempt: int) -> None:
    name = FOLDER / f"ran.{fate}.{os.getpid()}"
    file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{number} {attempt}\n".encode())
    finally:
        os.close(file)


def fine(attempt: int) -> None:
    """Succeed at once."""


def transient(attempt: int) -> None:
    if attempt == 1:
        raise TransientError("a blip")


def recoverable(attempt: int) -> None:
    if attempt == 1:
        raise RecoverableError("busy")


def permanent(attempt: int) -> None:
    raise PermanentError("never")


def segfault(attempt: int) -> None:
    ctypes.string_at(0)


def hang(attempt: int) -> None:
    """Never return to the interpreter: no exception gets into this wait."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def greedy(attempt: int) -> None:
    """Allocate until the process is killed for it, as by a container's limit."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MUCH, resource.RLIM_INFINITY))
    malloc = ctypes.CDLL(None).malloc
    malloc.restype = ctypes.c_void_p
    while malloc(ctypes.c_size_t(2**20)):
        pass
    os.kill(os.getpid(), 9)  # as the kernel does where no limit comes before


FATES = {
    fate.__name__: fate
    for fate in (fine, transient, recoverable, permanent, segfault, hang, greedy)
}


@app.action(timeout=1.0)
def meet(fate: str, number: int) -> int:
    attempt = current_action().attempt
    note(fate, number, attempt)
    FATES[fate](attempt)
    return number


@app.workflow(on="met")
def mixed(ctx: Context, event: Event) -> None:
    meet(event.payload["fate"], event.payload["number"])
