"""The history around a violation, as text: what is needed to see how it came about.

Must never hide a line about what the violation names.
"""

from __future__ import annotations

from tests.chaos.campaign.checker.verdict import Violation
from tests.chaos.campaign.history import History
from tests.chaos.campaign.records import Sent

AROUND = 3.0
"""Seconds before and after what shows it, from which faults are told."""
MOST = 200
"""Lines."""


Lines = list[tuple[float, str]]


def evidence(history: History, violation: Violation) -> list[str]:
    """Return all lines about what is violated and the faults around them, in order."""
    about = violation.about
    found = [*_operations(history, about), *_effects(history, about)]
    moments = [*violation.moments, *(at for at, _ in found)]
    if moments:
        found += _faults(history, min(moments) - AROUND, max(moments) + AROUND)
    marked = [f"{at:12.3f}  {text}" for at, text in sorted(found)]
    if len(marked) > MOST:
        left_out = f"... {len(marked) - MOST} lines more ..."
        marked = [*marked[: MOST // 2], left_out, *marked[-MOST // 2 :]]
    return marked


def _operations(history: History, about: str) -> Lines:
    found = []
    for op in history.ops:
        own = [sent.id or sent.says for sent in op.events if _is_about(sent, about)]
        if own or op.id == about:
            what = f"{op.what} {', '.join(own) or op.id} ({op.number})"
            found.append((op.begun, f"{what} begun"))
            found.append((op.ended, f"{what} {op.outcome} {op.error}".rstrip()))
    return found


def _is_about(sent: Sent, about: str) -> bool:
    """Tell whether an event is the one, or began or reached the execution."""
    if about in {sent.id, sent.says, sent.key, sent.to}:
        return True
    event = about.removeprefix("0-").partition("/")[0].rpartition(".")[0]
    return bool(event) and event == sent.id.partition("-s")[0]


def _effects(history: History, about: str) -> Lines:
    found = []
    for act in history.acts:
        line = act.begin
        if about in {line.execution, line.lock, line.key}:
            who = f"{line.action} {line.says!r} try {line.attempt} in {line.pid}"
            token = f", token {line.token}" if line.token is not None else ""
            more = f"({line.instance}) begins, key {line.key}{token}"
            found.append((line.t, f"{who} {more}"))
            if act.ended is not None:
                found.append((act.ended, f"{who} {'fails' if act.failed else 'ends'}"))
    for run in history.runs:
        if about in {run.execution, run.says}:
            text = f"runs {run.says!r} in {run.pid} ({run.instance})"
            found.append((run.t, text))
    return found


def _faults(history: History, since: float, until: float) -> Lines:
    found = []
    for fault in history.faults:
        if fault.struck <= until and fault.healed >= since:
            name = f"FAULT {fault.number} {fault.name}"
            whom = f"{fault.instance} {list(fault.pids) or ''}".strip()
            text = f"{name} strikes {whom} {fault.detail or ''}".rstrip()
            found += [(fault.struck, text), (fault.healed, f"{name} is over")]
    return found
