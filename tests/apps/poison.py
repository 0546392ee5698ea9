"""Events that take their process down, each in its own way, and innocent ones."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
import threading
import time

from tests.apps.plain import FOLDER, mark
from workflow_worker import ActionFailed, App, Context, Event

app = App("poison")
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def segfault() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(3)


def overflow() -> None:
    """Recurse in C, a level of the stack for each list, until there is no more."""
    sys.setrecursionlimit(10**9)
    nested: list[object] = []
    for _ in range(1_000_000):
        nested = [nested]
    repr(nested)


WAYS = {"segfault": segfault, "leave": leave, "overflow": overflow}


@app.workflow(on="poison")
def poison(ctx: Context, event: Event) -> None:
    mark("ran", event.key)
    WAYS[event.payload["how"]]()


@app.workflow(on="innocent")
def innocent(ctx: Context, event: Event) -> None:
    mark("ran", event.key)
    time.sleep(0.02)
    mark("done", event.key)


def gated(name: str) -> None:
    while not (FOLDER / f"gate.{name}").exists():
        time.sleep(0.01)


@app.workflow(on="slow")
def slow(ctx: Context, event: Event) -> None:
    """Runs until the test says so; says how many others run meanwhile."""
    mark("began", event.key)
    gated(event.payload.get("gate", event.key))
    mark("done", event.key)


@app.action
def beside(name: str) -> None:
    mark("began", f"{name}-beside")
    gated(name)


@app.action(timeout=0.1, max_retries=0)
def stuck() -> None:
    """Never end, where no exception gets in: the worker is killed for it."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@app.workflow(on="late")
def late(ctx: Context, event: Event) -> None:
    with contextlib.suppress(ActionFailed):
        stuck()


@app.workflow(on="wide")
def wide(ctx: Context, event: Event) -> None:
    """Submits actions only once the test says so, and needs them all."""
    mark("began", event.key)
    gated(f"{event.key}-submit")
    for future in [beside.submit(event.key) for _ in range(4)]:
        future.result()
    mark("done", event.key)
