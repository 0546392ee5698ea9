"""Where the product's time goes: a worker's by thread, the server's by command. Pure.

Owns what is told of the parts of a drain, as tables in RST.
"""

from __future__ import annotations

from collections.abc import Callable

from findings import Findings
from reports import COMMAND, THREAD
from rst import table
from targets import BATCHED, OURS

KINDS = {
    "main": "reader: takes, decodes, queues",
    "pool": "pool: runs the functions",
    "committer": "committer: packs commits, settles",
}
"""Threads of a worker that are told by themselves."""
SCRIPTS = "evalsha", "eval"
LOOKED_INTO = (("noop", OURS), ("noop", BATCHED), ("five", OURS))
"""Drains whose time is told in parts."""
HEAD = (
    "a no-op",
    "a no-op, BATCH_SIZE=100",
    "an execution of five actions",
)
SMALL_US = 0.5
"""A command below it in all of them is told with the others."""


def threads(found: Findings, text: Callable[[float], str]) -> str:
    """Tell the processor time of the product's workers by kind of thread."""
    parts = [_parts(found, *drain, THREAD) for drain in LOOKED_INTO]
    if not any(parts):
        return ""
    rows = [
        (meaning, *(text(part.get(name, 0.0)) for part in parts))
        for name, meaning in KINDS.items()
    ]
    other = [
        sum(us for name, us in part.items() if name not in KINDS) for part in parts
    ]
    rows.append(("other threads", *map(text, other)))
    whole = [found.median(*drain, "worker_us") or 0.0 for drain in LOOKED_INTO]
    rest = [us - sum(part.values()) for us, part in zip(whole, parts, strict=True)]
    rows.append(("master and monitor", *(text(max(us, 0.0)) for us in rest)))
    return table((40, 20, 20, 20), ("", *HEAD), rows)


def commands(found: Findings, text: Callable[[float], str]) -> str:
    """Tell the server's time for the product by command."""
    parts = [_parts(found, *drain, COMMAND) for drain in LOOKED_INTO]
    if not any(parts):
        return ""
    scripts = [sum(part.pop(name, 0.0) for name in SCRIPTS) for part in parts]
    within = [sum(part.values()) for part in parts]
    large = {name for part in parts for name, us in part.items() if us >= SMALL_US}
    names = sorted(large, key=lambda name: -sum(part.get(name, 0.0) for part in parts))
    rows = [
        (f"``{name.upper()}``", *(text(part.get(name, 0.0)) for part in parts))
        for name in names
    ]
    small = [
        sum(us for name, us in part.items() if name not in large) for part in parts
    ]
    rows.append(("other commands", *map(text, small)))
    lua = [all_ - part for all_, part in zip(scripts, within, strict=True)]
    rows.append(("scripts, beside these", *(text(max(us, 0.0)) for us in lua)))
    whole = [found.median(*drain, "server_us") or 0.0 for drain in LOOKED_INTO]
    rest = [us - all_ for us, all_ in zip(whole, scripts, strict=True)]
    outside = "receiving, answering, writing the file"
    rows.append((outside, *(text(max(us, 0.0)) for us in rest)))
    return table((40, 20, 20, 20), ("", *HEAD), rows)


def _parts(found: Findings, workload: str, name: str, prefix: str) -> dict[str, float]:
    """Return the medians of all figures whose names begin so, by the rest of them."""
    runs = found.runs(workload, name)
    names = {each for run in runs for each in run.figures if each.startswith(prefix)}
    return {
        each.removeprefix(prefix): found.median(workload, name, each) or 0.0
        for each in names
    }
