"""The fleet for people: what is said of it, line by line and table by table.

Owns the words, the order and the units. Must not pass on characters that move a
terminal's cursor; names come from anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from workflow_worker.cli.status_layout import GAP, Column, Laid, Table, laid
from workflow_worker.cli.text import SECOND_MS, cut, numbered, span

if TYPE_CHECKING:
    from workflow_worker.client import Figures, Fleet, Instance, Running, Worker

LOST = "lost"
STATUSES = ("healthy", "degraded", "unhealthy", "unknown", LOST)
WORST_FIRST = ("unhealthy", "degraded", "unknown", "healthy")
MOST = 200
"""Rows of a table; whoever wants all of them asks for JSON."""
LONGEST = 300
"""Characters of a cell."""

MIB = 1024 * 1024

INSTANCES = (
    Column("#", right=True),
    Column("INSTANCE", least=16, ends=True),
    Column("STATUS"),
    Column("WORKERS", right=True),
    Column("EVENTS/S", 1, right=True),
    Column("ACTIVE", 2, right=True),
    Column("PROCESSED", 4, right=True),
    Column("FAILED", 3, right=True),
    Column("RESTARTS", 5, right=True),
    Column("UP", 6, right=True),
    Column("APP", 7, least=10),
    Column("HTTP", 8),
    Column("PID", 9, right=True),
    Column("VERSION", 10),
    Column("REASONS", least=24),
)
WORKERS = (
    Column("WORKER", right=True),
    Column("PID", 1, right=True),
    Column("STATUS"),
    Column("ACTIVE", right=True),
    Column("PROCESSED", 2, right=True),
    Column("MEMORY", 3, right=True),
    Column("HEARTBEAT", 4, right=True),
    Column("UP", 5, right=True),
    Column("REASONS", least=40),
)
BUSY = (
    Column("BUSY FOR", right=True),
    Column("WORKER", right=True),
    Column("WORKFLOW", least=10),
    Column("ACTION", least=10),
    Column("EXECUTION", least=16, ends=True),
)


def as_text(fleet: Fleet, place: str, width: int | None = None) -> str:
    """Return all of it.

    Args:
        fleet: what is shown.
        place: which Redis and namespace that is.
        width: cells of a line; None for as many as it takes.
    """
    parts = [[headline(fleet, place)], figures(fleet.figures)]
    for table in tables(fleet):
        if table.height:
            shown = laid(table, width)
            parts.append(as_lines(shown))
            if table.columns is WORKERS and width and (cut_off := _cut(table, shown)):
                parts.append(_in_full(cut_off, width))
    return "\n\n".join("\n".join(lines) for lines in parts)


def as_lines(shown: Laid) -> list[str]:
    """Return a table as lines."""
    lines = [(" " * GAP).join(cells).rstrip() for cells in shown.lines]
    return [*lines, *([shown.more] if shown.more else [])]


def _cut(table: Table, shown: Laid) -> list[tuple[str, str]]:
    """Return who has reasons of which only the begin is shown, and all of them."""
    rows = zip(table.rows, shown.lines[1:], strict=True)
    return [(row[0], row[-1]) for row, cells in rows if row[-1] not in cells[-1]]


def _in_full(reasons: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Return reasons as lines: they are what is looked for at night."""
    wide = max(len("WORKER"), *(len(who) for who, _ in reasons))
    room = max(1, width - wide - GAP)
    rows = [("WORKER", "WHY")]
    for who, why in reasons:
        words = Text(why).wrap(Console(), room)
        rows += zip(chain([who], repeat("")), (line.plain for line in words))  # noqa: B905 - as many as there are lines
    return [f"{who:>{wide}}{' ' * GAP}{why}".rstrip() for who, why in rows]


def headline(fleet: Fleet, place: str) -> str:
    """Return the whole in a line."""
    if not fleet.instances:
        return f"no instance runs on {place}"
    living = fleet.living
    instances = Counter(each.status for each in living)
    instances[LOST] = len(fleet.instances) - len(living)
    workers = {
        "healthy": sum(each.healthy_workers for each in living),
        "degraded": sum(each.degraded_workers for each in living),
        "unhealthy": sum(each.unhealthy_workers for each in living),
    }
    return (
        f"{numbered(len(fleet.instances), 'instance')}{_those(instances)}; "
        f"{numbered(sum(workers.values()), 'worker')}{_those(workers)}; "
        f"{fleet.events_per_second:g} events/s, "
        f"{sum(each.active_events for each in living)} active"
    )


def figures(its: Figures) -> list[str]:
    """Return the figures of the whole, some of them a line."""
    queued = f"{its.backlog - its.pending}{_oldest(its.oldest_waiting_ms)}"
    timers = f"{its.timers}{_due(its.next_timer_ms)}"
    wide = max(len(queued), len(timers)) + GAP
    events = ("succeeded", "failed", "ignored", "duplicate")
    counted = {name: its.counters.get(f"events_{name}", 0) for name in events}
    # One without a journal has no record while it runs, so they would be too few.
    recorded = {name: n for name, n in its.executions.items() if name != "running"}
    return [
        f"queued      {queued:{wide}}taken         "
        f"{its.pending}{_oldest(its.oldest_pending_ms)}",
        f"timers      {timers:{wide}}dead letters  {its.dead_letters}",
        f"events      {_listed(counted)}",
        f"executions  {_listed(recorded)}",
    ]


def tables(fleet: Fleet) -> tuple[Table, Table, Table]:
    """Return the instances, the workers and what is busy; worst or oldest first."""
    now = fleet.figures.server_ms
    numbers = {each.name: number for number, each in enumerate(fleet.instances, 1)}
    rows = [_instance(numbers[each.name], each, now) for each in fleet.instances]
    workers = [
        (numbers[each.name], worker) for each in fleet.living for worker in each.workers
    ]
    workers.sort(key=lambda pair: (_badness(pair[1]), pair[0], pair[1].slot))
    busy = [
        (
            running.since_ms + each.silent_ms,
            f"{numbers[each.name]}/{worker.slot}",
            running,
        )
        for each in fleet.living
        for worker in each.workers
        for running in worker.running
    ]
    busy.sort(key=lambda row: -row[0])
    left_out = sum(each.running_left_out for each in fleet.living)
    return (
        Table(INSTANCES, tuple(rows[:MOST]), _over(rows)),
        Table(
            WORKERS,
            tuple(_worker(*pair, now) for pair in workers[:MOST]),
            _over(workers),
        ),
        Table(BUSY, tuple(_busy(*row) for row in busy[:MOST]), _over(busy) + left_out),
    )


def _instance(number: int, each: Instance, now_ms: int) -> tuple[str, ...]:
    reasons = each.reasons
    if each.lost:
        reasons = [f"silent for {span(each.silent_ms)}"]
    return _cells(
        number,
        each.name,
        LOST if each.lost else each.status,
        "" if each.lost else f"{each.healthy_workers}/{each.worker_count}",
        "" if each.lost else f"{each.events_per_second:g}",
        "" if each.lost else each.active_events,
        each.events_processed,
        each.events_failed,
        each.restarts,
        "" if each.lost else _up(each.started_at, now_ms),
        each.app,
        each.http_address or "",
        each.pid,
        each.version,
        "; ".join(reasons),
    )


def _worker(number: int, worker: Worker, now_ms: int) -> tuple[str, ...]:
    beat, memory = worker.heartbeat_age_ms, worker.resident_bytes
    return _cells(
        f"{number}/{worker.slot}",
        worker.pid or "",
        worker.status,
        worker.active_events,
        worker.events_processed,
        "" if memory is None else f"{memory / MIB:.0f} MiB",
        "" if beat is None else span(beat),
        _up(worker.started_at, now_ms),
        "; ".join(worker.reasons),
    )


def _busy(since_ms: int, worker: str, running: Running) -> tuple[str, ...]:
    return _cells(
        span(since_ms),
        worker,
        running.workflow,
        running.action or "",
        running.execution_id,
    )


def _cells(*values: object) -> tuple[str, ...]:
    return tuple(cut(str(value), LONGEST) for value in values)


def _over(rows: Sequence[object]) -> int:
    """Return how many rows are not shown."""
    return max(0, len(rows) - MOST)


def _badness(worker: Worker) -> int:
    worst = [status for status in WORST_FIRST if status == worker.status]
    return WORST_FIRST.index(worst[0]) if worst else len(WORST_FIRST)


def _listed(figures: Mapping[str, int]) -> str:
    return ", ".join(f"{figure} {name}" for name, figure in figures.items())


def _those(figures: Mapping[str, int]) -> str:
    known = {name: figures[name] for name in STATUSES if figures.get(name)}
    return f": {_listed(known)}" if known else ""


def _oldest(age_ms: int | None) -> str:
    return "" if age_ms is None else f", oldest {span(age_ms)}"


def _due(due_ms: int | None) -> str:
    if due_ms is None:
        return ""
    if due_ms < 0:
        return f", next overdue by {span(-due_ms)}"
    return f", next in {span(due_ms)}"


def _up(started_at: str | None, now_ms: int) -> str:
    """Return for how long something runs; nothing if it does not say."""
    try:
        since = datetime.fromisoformat(started_at or "").timestamp()
    except ValueError:
        return ""
    return span(now_ms - round(since * SECOND_MS))
