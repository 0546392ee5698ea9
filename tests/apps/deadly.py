"""Ten actions, and a process that kills itself where its execution's key says.

The key is the point: ``before 3``, ``within 3``, ``after 3`` an action, ``before append
2`` the write onto a journal of two, ``after commit 1`` the second commit. The first
process that comes to it dies there by SIGKILL; the next one passes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow_worker import App, Context, Event
from workflow_worker.worker import committer, effects

app = App("deadly")
FOLDER = Path(os.environ.get("MARKS", "."))
ACTIONS = 10


def die_at(key: str, point: str) -> None:
    """End this process if its execution is to die here and has not yet."""
    if key != point:
        return
    try:
        (FOLDER / f"died.{point}").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def mark(key: str, n: int) -> None:
    with (FOLDER / f"ran.{key}").open("a") as file:
        file.write(f"{n}\n")


@app.action
def act(key: str, n: int) -> int:
    mark(key, n)
    die_at(key, f"within {n}")
    return n * n


@app.workflow(on="deadly", signals="go")
def deadly(ctx: Context, event: Event) -> list[int]:
    done: list[int] = []
    for n in range(1, ACTIONS + 1):
        if n == ACTIONS // 2:
            # So that there are two commits.
            ctx.sleep(0.1)
        die_at(ctx.key, f"before {n}")
        done.append(act(ctx.key, n))
        die_at(ctx.key, f"after {n}")
    return done


def _around(write: Callable[..., Any], point_of: Callable[..., tuple[Any, str]]) -> Any:
    """Let a write of the worker die right before and right after it."""

    def dying(*args: Any) -> Any:
        task, what = point_of(*args)
        key = task.event.key if task.event else ""
        die_at(key, f"before {what}")
        answer = write(*args)
        die_at(key, f"after {what}")
        return answer

    return dying


# A write is known by how far its execution has come: a commit by its step, an append by
# the length of its journal.
committer.commit = _around(  # type: ignore[attr-defined]
    committer.commit,  # type: ignore[attr-defined]
    lambda _link, _owner, items, *_: (
        items[0][0],
        f"commit {items[0][0].record.step}",
    ),
)
effects.journal.append = _around(  # type: ignore[attr-defined]
    effects.journal.append,  # type: ignore[attr-defined]
    lambda _link, _owner, task, _entries, journaled, *_: (task, f"append {journaled}"),
)
