"""What the campaign writes down outside Redis: the lines, and what they come to.

Owns the format of the three kinds of files in an episode's folder, one JSON object a
line. Times are monotonic seconds, which all processes of a machine share.

``ops-<writer>.jsonl``, of whoever publishes::

    {"op": 17, "what": "publish", "phase": "invoke", "t": 12.5, "events": [
        {"id": "order9", "name": "order.placed", "says": "order9", "key": "k-order9"}]}
    {"op": 17, "phase": "ok", "t": 12.6}

``effects-<pid>.jsonl``, of actions and workflows, written by what a line tells of::

    {"phase": "begin", "execution": "0-order9.order", "says": "order9/pack",
     "action": "pack", "attempt": 1, "key": "wf:9f3c:0-order9.order:2", "pid": 411,
     "instance": "a", "t": 12.7}
    {"phase": "end", "execution": "0-order9.order", "says": "order9/pack", ...}
    {"phase": "run", "execution": "0-bare7.bare", "says": "bare7", "pid": 411, ...}

``faults.jsonl``, of who strikes::

    {"fault": "cut", "number": 3, "phase": "strike", "t": 14.0, "pids": [411, 412],
     "instance": "a", "detail": {"seconds": 1.5}}
    {"fault": "cut", "number": 3, "phase": "heal", "t": 15.5}
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

PUBLISH = "publish"
SIGNAL = "signal"
CANCEL = "cancel"
REDRIVE = "redrive"

Step = tuple[str, str]
"""An execution, and what one of its steps is told."""


class Sent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event that is published.

    Attributes:
        id: the publisher's; empty for none: then an unknown outcome stays unknown.
        name: of the event.
        says: what its payload says, unique to it; the story of the plan has it, too.
        key: business key.
        seq: its place among the signals of its key, from 0; -1: it is no signal.
        to: the execution it is addressed to, if it is.
    """

    id: str
    name: str
    says: str = ""
    key: str = ""
    seq: int = -1
    to: str = ""


class OpLine(msgspec.Struct, frozen=True):
    """One line of ``ops-*``.

    Attributes:
        op: number of the operation, unique in its file; a second try has the same one.
        phase: invoke before the call; then ok, fail (surely nothing happened) or
            unknown.
        t: when.
        what: publish, signal, cancel or redrive; on the invoke line.
        events: what is published, all or none of it; on the invoke line.
        id: the execution to cancel, or whose letter is redriven.
        error: what was raised, in words.
    """

    op: int
    phase: Literal["invoke", "ok", "fail", "unknown"]
    t: float
    what: str = ""
    events: tuple[Sent, ...] = ()
    id: str = ""
    error: str = ""


class EffectLine(msgspec.Struct, frozen=True):
    """One line of ``effects-*``.

    Attributes:
        phase: begin and end of an action (fail: it raises on purpose); run: plain code
            of a workflow.
        execution: as the workflow knows it, handed to the action as an argument: not
            read from the key, which is what is examined.
        t: when.
        pid: of the process.
        says: what it was told, unique to the step (but not to its tries), likewise
            handed over; of the event's payload, in plain code.
        action: its name; of a compensation too.
        attempt: which try it is.
        key: its idempotency key.
        beside: it was submitted: the workflow had not seen what came before it.
        lock: name of the lock that is held from begin to end; empty for none.
        token: the lock's.
        taken: whether the protected file took the write that came with the token.
        instance: which instance the process belongs to.
        more: whatever else is worth knowing.
    """

    phase: Literal["begin", "end", "fail", "run"]
    execution: str
    t: float
    pid: int
    says: str = ""
    action: str = ""
    attempt: int = 1
    key: str = ""
    beside: bool = False
    lock: str = ""
    token: int | None = None
    taken: bool = True
    instance: str = ""
    more: Any = None


class FaultLine(msgspec.Struct, frozen=True):
    """One line of ``faults.jsonl``.

    Attributes:
        fault: its name, one that :mod:`tests.chaos.campaign.harm` knows.
        phase: strike, written before it does harm; heal, after the last of it.
        t: when.
        number: tells the strikes of an episode apart.
        pids: every process that it takes down or holds up, children included; empty if
            that is a whole instance, or the server.
        instance: whom it strikes; empty: everybody.
        since: for what makes the server forget: all it was told after this moment may
            be gone.
        detail: parameters.
    """

    fault: str
    phase: Literal["strike", "heal"]
    t: float
    number: int = 0
    pids: tuple[int, ...] = ()
    instance: str = ""
    since: float | None = None
    detail: Any = None


class Op(msgspec.Struct, frozen=True):
    """One operation, all its tries together.

    Attributes:
        number: file and number.
        what: publish, signal, cancel or redrive.
        outcome: ok: it happened; fail: it surely did not; else unknown.
        begun: when it was first tried.
        ended: when the last outcome was known; of one without, when the writer died.
        confirmed: when it was first known to have happened; None if it never was.
        events: what was published.
        id: the execution to cancel, or whose letter is redriven.
        error: what was raised last.
    """

    number: str
    what: str
    outcome: Literal["ok", "fail", "unknown"]
    begun: float
    ended: float
    confirmed: float | None = None
    events: tuple[Sent, ...] = ()
    id: str = ""
    error: str = ""


class Act(msgspec.Struct, frozen=True):
    """One try of an action.

    Attributes:
        begin: its first line.
        ended: when it ended; None: its process did before.
        failed: it raised on purpose.
    """

    begin: EffectLine
    ended: float | None = None
    failed: bool = False

    @property
    def step(self) -> Step:
        """Which step of which execution."""
        return self.begin.execution, self.begin.says


class Fault(msgspec.Struct, frozen=True):
    """One strike and its end.

    Attributes:
        name: of the fault.
        number: of the strike.
        struck: when.
        healed: when; infinite if it never was.
        pids: what it took down or held up.
        instance: whom it struck; empty: everybody.
        since: from when on the server may have forgotten.
        detail: parameters.
    """

    name: str
    number: int
    struck: float
    healed: float
    pids: tuple[int, ...] = ()
    instance: str = ""
    since: float | None = None
    detail: Any = None
