"""The App of the campaign: every kind of story, each effect noted outside Redis.

``CAMPAIGN_FOLDER`` is where the notes go, ``CAMPAIGN_VERSION`` which version of one
workflow this process has. What is to happen stands in the payload: ``says`` names the
story, so that a note can be held against what was sent.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

from tests.chaos.campaign.history import Journal
from workflow_worker import (
    App,
    Context,
    Event,
    PermanentError,
    RecoverableError,
    RetryPolicy,
    TransientError,
    current_action,
)

app = App("campaign")
FOLDER = Path(os.environ.get("CAMPAIGN_FOLDER", "."))
INSTANCE = os.environ.get("CAMPAIGN_INSTANCE", "")
VERSION = os.environ.get("CAMPAIGN_VERSION", "1")
SIGNAL = "order.said"
OFTEN = RetryPolicy(max_retries=1000, base=0.05, maximum=0.5, retry_on=(Exception,))
"""For what fails because of the faults: it is to succeed in the end."""
FEW = RetryPolicy(max_retries=5, base=0.05, maximum=0.3)


class Notes:
    """This process's journal; a fork writes one of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Guards the choice of the file."""
        self._pid = 0
        self._journal: Journal

    def write(self, **fields: object) -> None:
        pid = os.getpid()
        if self._pid != pid:
            with self._lock:
                if self._pid != pid:
                    self._journal = Journal(
                        FOLDER, f"effects-{pid}", pid=pid, instance=INSTANCE
                    )
                    self._pid = pid
        self._journal.write(**fields)


notes = Notes()


class Effect:
    """What an action does to the world outside: begun and ended, as a block.

    What it ``says`` is unique to the step; ``token`` is of the ``lock`` that is held.
    """

    def __init__(self, action: str, execution: str, says: str, **more: object) -> None:
        now = current_action()
        self._fields = {
            "execution": execution,
            "action": action,
            "attempt": now.attempt,
            "key": now.idempotency_key,
            "says": says,
            **more,
        }

    def __enter__(self) -> None:
        notes.write(phase="begin", **self._fields)

    def __exit__(self, kind: object, *_: object) -> None:
        notes.write(phase="fail" if kind else "end", **self._fields)


@app.action
def touch(execution: str, says: str, seconds: float = 0.0) -> str:
    """Have an effect; if it takes a while, what strikes strikes it in the middle."""
    with Effect("touch", execution, says):
        if seconds:
            time.sleep(seconds)
        return says


@app.action
def touch_beside(execution: str, says: str) -> str:
    """Have an effect, submitted."""
    with Effect("touch_beside", execution, says, beside=True):
        return says


@app.action
def undo(execution: str, says: str) -> None:
    """Take one back."""
    with Effect("undo", execution, f"undo {says}", undo=True):
        pass


@app.action
def refuse(execution: str, says: str) -> None:
    """Fail for good."""
    with Effect("refuse", execution, says):
        raise PermanentError("refused, as the plan says")


@app.action(retry=FEW)
def shaky(execution: str, says: str, fails: int, category: str) -> int:
    """Fail so many times, then return which try this was."""
    with Effect("shaky", execution, says):
        attempt = current_action().attempt
        if attempt <= fails:
            error = TransientError if category == "transient" else RecoverableError
            raise error(f"no {attempt}")
        return attempt


@app.action
def mend(execution: str, says: str) -> str:
    """Fail for good until an operator has done something about it."""
    with Effect("mend", execution, says):
        if not (FOLDER / "mended" / execution).exists():
            raise PermanentError("not mended yet")
        return says


@app.action(retry=OFTEN)
def guard(execution: str, says: str, name: str) -> str:
    """Write under a lock to what compares tokens."""
    with current_action().lock(name, ttl=1, wait=5) as lock:
        token = lock.token
        with Effect("guard", execution, says, lock=name, token=token):
            guarded_write(name, token)
    return name


def guarded_write(name: str, token: int) -> None:
    """Write to a file that remembers the greatest token and refuses smaller ones."""
    path = FOLDER / f"guarded-{name}"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        greatest = int(os.read(file, 64) or b"0")
        if token < greatest:
            raise TransientError(f"token {token} after {greatest}")
        os.pwrite(file, b"%020d" % token, 0)
    finally:
        os.close(file)


@app.workflow(on="bare")
def bare(ctx: Context, event: Event) -> None:
    notes.write(phase="run", execution=ctx.execution_id, says=event.payload["says"])


@app.workflow(on="plain")
def plain(ctx: Context, event: Event) -> str:
    return touch(ctx.execution_id, event.payload["says"])


@app.workflow(on="audit")
def audit(ctx: Context, event: Event) -> None:
    notes.write(phase="run", execution=ctx.execution_id, says=event.payload["says"])


@app.workflow(on="order.placed", signals=SIGNAL)
def order(ctx: Context, event: Event) -> list[int]:
    """Reserve, then one step per signal, each undone if it comes to a refusal."""
    me, says, path = ctx.execution_id, event.payload["says"], []
    touch(me, f"{says}/reserve")
    ctx.compensate(undo, me, f"{says}/reserve")
    for _ in range(event.payload["signals"]):
        said = ctx.wait_for(SIGNAL)
        assert said is not None
        seq = said.payload["seq"]
        step = f"{says}/{seq}"
        path.append(seq)
        touch(me, step, event.payload.get("slow", 0.0))
        ctx.compensate(undo, me, step)
        ctx.emit("audit", {"says": f"{step}/audit"}, key=ctx.key)
        ctx.set_state(step)
    if event.payload["refuse"]:
        refuse(me, f"{says}/refuse")
    packed = touch_beside.submit(me, f"{says}/pack")
    label = touch_beside.submit(me, f"{says}/label")
    packed.result()
    label.result()
    return path


@app.workflow(on="lonely", signals="lonely.never")
def lonely(ctx: Context, event: Event) -> str:
    says = event.payload["says"]
    if ctx.wait_for("lonely.never", timeout=event.payload["timeout"]) is not None:
        return "somebody came"
    touch(ctx.execution_id, f"{says}/waited")
    return "nobody came"


@app.workflow(on="family")
def family(ctx: Context, event: Event) -> list[str]:
    says = event.payload["says"]
    children = [
        ctx.start("child", {"says": f"{says}/child{n}"})
        for n in range(event.payload["children"])
    ]
    told = [child.result() for child in children]
    touch(ctx.execution_id, f"{says}/together")
    return told


@app.workflow(name="child", on="child.never")
def child(ctx: Context, event: Event) -> str:
    return touch(ctx.execution_id, event.payload["says"])


@app.workflow(on="flaky")
def flaky(ctx: Context, event: Event) -> int:
    its = event.payload
    return shaky(ctx.execution_id, its["says"], its["fails"], its["category"])


@app.workflow(on="sleeper")
def sleeper(ctx: Context, event: Event) -> int:
    says = event.payload["says"]
    for n, nap in enumerate(event.payload["naps"]):
        ctx.sleep(nap)
        touch(ctx.execution_id, f"{says}/{n}")
    return len(event.payload["naps"])


@app.workflow(on="locked")
def locked(ctx: Context, event: Event) -> str:
    return guard(ctx.execution_id, event.payload["says"], event.payload["lock"])


@app.workflow(on="slow")
def slow(ctx: Context, event: Event) -> str:
    says = event.payload["says"]
    touch(ctx.execution_id, f"{says}/work", event.payload["seconds"])
    touch(ctx.execution_id, f"{says}/done")
    return str(says)


@app.workflow(on="doomed")
def doomed(ctx: Context, event: Event) -> str:
    says = event.payload["says"]
    touch(ctx.execution_id, f"{says}/first")
    mend(ctx.execution_id, f"{says}/mend")
    return str(says)


@app.workflow(on="renewing")
def renewing(ctx: Context, event: Event) -> int:
    """Begin anew with an empty journal, again and again."""
    its = event.payload
    touch(ctx.execution_id, f"{its['says']}/{its['round']}")
    if its["round"] < its["rounds"]:
        ctx.continue_as_new({**its, "round": its["round"] + 1})
    return int(its["round"])


@app.workflow(on="changing.begun", signals="changing.go", version=VERSION)
def changing(ctx: Context, event: Event) -> list[str]:
    """Two versions of one workflow: the newer one has a step more."""
    me, says = ctx.execution_id, event.payload["says"]
    path = [VERSION, touch(me, f"{says}/first")]
    ctx.wait_for("changing.go")
    if VERSION == "2":
        path.append(touch(me, f"{says}/more"))
    path.append(touch(me, f"{says}/last"))
    return path
