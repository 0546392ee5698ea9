"""A workflow that fails until the test says that it is well, and an innocent one."""

from __future__ import annotations

import threading
import time

from tests.apps.plain import FOLDER, mark
from workflow_worker import App, Context, Event, RecoverableError

app = App("flaky")
_COUNTING = threading.Lock()
_retries = 0


@app.workflow(on="flaky")
def flaky(ctx: Context, event: Event) -> None:
    """Each retry says how many there are in this process, itself included."""
    global _retries  # noqa: PLW0603 - of the process, as what it counts
    if not (FOLDER / f"first.{event.key}").exists():
        mark("first", event.key)
        check()
        return
    with _COUNTING:
        _retries += 1
        mark("retry", event.key, str(_retries))
    try:
        time.sleep(0.02)
        check()
        mark("done", event.key)
    finally:
        with _COUNTING:
            _retries -= 1


def check() -> None:
    if not (FOLDER / "gate.well").exists():
        raise RecoverableError("the other side is down")


@app.workflow(on="innocent")
def innocent(ctx: Context, event: Event) -> None:
    mark("ran", event.key)
