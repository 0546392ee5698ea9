"""An App that is no good neighbour: takes USR1, and holds the interpreter."""

from __future__ import annotations

import ctypes
import signal

from tests.apps import plain
from workflow_worker import App, Context, Event

signal.signal(signal.SIGUSR1, signal.SIG_DFL)

app = App("hanging")
app.include(plain.app)


@app.workflow(on="hangs")
def hangs(ctx: Context, event: Event) -> None:
    plain.mark("began", event.key)
    hold_the_interpreter()


def hold_the_interpreter() -> None:
    """Far longer than any test lasts: only a SIGKILL ends it."""
    ctypes.PyDLL(None).sleep(600)
