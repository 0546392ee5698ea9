"""When one worker is not healthy: a table of small rules over its slot.

Owns every limit that health goes by.
"""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass

from workflow_worker.board import Restart, SlotView, State
from workflow_worker.health.rule import Rule, Status
from workflow_worker.threads import BROKEN, UNREADY

START_GRACE = 30.0
"""Seconds a worker may take to become ready."""
RESTART_SHOWS = 10.0
"""Seconds for which a replacement shows as restarted."""
REDIS_BLIP = 2.0
"""Seconds without Redis that are nobody's business."""
CRASH_LOOP = 3
"""Deaths in a row, without any work between them, that are no accident."""
RECENT = 300.0
"""Seconds for which a run counts as one of the last ones."""
FEWEST_RUNS = 10
"""Recent runs below which nothing is said about them."""
ERROR_SHARE = 0.5
"""Part of the recent runs that has to fail for it to be said."""
SATURATED = 30.0
"""Seconds for which all threads may be busy while events wait."""
SILENT_SHARE = 1 / 3
"""Part of HANG_TIMEOUT_MS after which silence is told."""


@dataclass(frozen=True, slots=True)
class Look:
    """One worker and what it takes to judge it; seconds throughout."""

    view: SlotView
    now: float
    hang_timeout: float


def _crash_looping(look: Look) -> str:
    view = look.view
    if view.streak < CRASH_LOOP or math.isinf(view.retry_at):
        return ""
    text = f"crash loop: died {view.streak} times in a row, "
    text += f"last by {ending(view.exit_status)}"
    if view.retry_at > look.now:
        text += f"; next try in {view.retry_at - look.now:.0f} s"
    return text


def _waiting(look: Look) -> str:
    if math.isinf(look.view.retry_at):
        return "could not start; waits for changed code or settings"
    return ""


def _dead(look: Look) -> str:
    view = look.view
    if view.pid or math.isinf(view.retry_at):
        return ""
    if not view.generation:
        return "not started yet"
    return f"dead: {ending(view.exit_status)}"


def _not_started(look: Look) -> str:
    waited = look.now - look.view.forked_at
    if look.view.state is State.STARTING and waited > START_GRACE:
        return f"not ready {waited:.0f} s after its start"
    return ""


def _hung(look: Look) -> str:
    silent = look.now - look.view.heartbeat
    if look.view.pid and silent > look.hang_timeout:
        return f"no heartbeat for {silent:.0f} s"
    return ""


def _redis_down(look: Look) -> str:
    away = redis_away(look.view, look.now)
    return f"Redis does not answer for {away:.0f} s" if away > REDIS_BLIP else ""


def _silent(look: Look) -> str:
    view, silent = look.view, look.now - look.view.heartbeat
    # Nothing beats while the App is imported.
    if not view.pid or view.state is State.STARTING:
        return ""
    if look.hang_timeout * SILENT_SHARE < silent <= look.hang_timeout:
        return f"no heartbeat for {silent:.0f} s"
    return ""


def _overdue(look: Look) -> str:
    late = [lane for lane in look.view.lanes if 0 < lane.deadline <= look.now]
    if not late:
        return ""
    lane = min(late, key=lambda lane: lane.deadline)
    what = f"action {lane.action}" if lane.ordinal else f"workflow {lane.workflow}"
    over = look.now - lane.deadline
    return f"{what} is {over:.0f} s over its limit, in {lane.execution_id}"


def _failing(look: Look) -> str:
    runs, errors = look.view.recent_runs, look.view.recent_errors
    if runs < FEWEST_RUNS or errors < runs * ERROR_SHARE:
        return ""
    return f"{errors} of {runs} runs failed in the last {RECENT / 60:.0f} minutes"


def _saturated(look: Look) -> str:
    since = look.view.saturated_since
    if not since or look.now - since <= SATURATED:
        return ""
    return f"all threads are busy for {look.now - since:.0f} s, and events wait"


def _flooded(look: Look) -> str:
    workflow = look.view.flooded
    if not workflow:
        return ""
    return f"most events of {workflow} fail: their retries are held back"


def _restarted(look: Look) -> str:
    view, since = look.view, look.now - look.view.restarted_at
    shows = view.pid and view.restarted_at and since < RESTART_SHOWS
    if not shows or view.cause in (Restart.EVENTS, Restart.MEMORY):
        return ""
    text = f"restarted {since:.0f} s ago"
    if view.cause is Restart.DIED:
        return f"{text}: it ended by {ending(view.exit_status)}"
    why = _CAUSES.get(view.cause)
    return f"{text}: {why}" if why else text


_CAUSES = {
    Restart.HUNG: "it hung",
    Restart.OVERDUE: "something in it took longer than it may",
}


def _starting(look: Look) -> str:
    return "starting" if look.view.state is State.STARTING else ""


def _draining(look: Look) -> str:
    draining = look.view.state in (State.DRAINING, State.STOPPED)
    return "draining" if draining else ""


WORKER_RULES: tuple[Rule[Look], ...] = (
    Rule(
        Status.UNHEALTHY,
        f"it died {CRASH_LOOP} times in a row without any work between",
        "the log says what it died of, each time; it is tried again ever more rarely",
        _crash_looping,
    ),
    Rule(
        Status.UNHEALTHY,
        "the App can't be imported, and the service waits for changed code",
        "mend the App: the traceback is in the log",
        _waiting,
    ),
    Rule(
        Status.UNHEALTHY,
        "no process lives there",
        "nothing, unless it stays so: a replacement starts by itself",
        _dead,
    ),
    Rule(
        Status.UNHEALTHY,
        f"not ready {START_GRACE:.0f} s after its start",
        "look for what the App's import or ``on_worker_start`` waits for",
        _not_started,
    ),
    Rule(
        Status.UNHEALTHY,
        "no heartbeat for longer than ``HANG_TIMEOUT_MS``",
        "the log has the stacks of its threads: something keeps the interpreter",
        _hung,
    ),
    Rule(
        Status.DEGRADED,
        f"Redis does not answer it for more than {REDIS_BLIP:.0f} s",
        "look after Redis and the way to it; nothing is lost meanwhile",
        _redis_down,
    ),
    Rule(
        Status.DEGRADED,
        "no heartbeat for longer than a third of ``HANG_TIMEOUT_MS``",
        "C code that keeps the interpreter belongs into a process of its own; its "
        "leases are kept for it meanwhile",
        _silent,
    ),
    Rule(
        Status.DEGRADED,
        "something runs longer than its limit and is about to be stopped",
        "nothing: its worker is killed, and this counts as a failed try",
        _overdue,
    ),
    Rule(
        Status.DEGRADED,
        f"at least {ERROR_SHARE:.0%} of the runs of the last {RECENT / 60:.0f} minutes "
        f"failed or are to be tried again, of at least {FEWEST_RUNS}",
        "``wfworker dlq list`` and the log say what fails",
        _failing,
    ),
    Rule(
        Status.DEGRADED,
        f"all its threads are busy for more than {SATURATED:.0f} s while events wait",
        "more workers, threads or instances, if the backlog does not shrink by itself",
        _saturated,
    ),
    Rule(
        Status.DEGRADED,
        "most runs of a workflow fail, so few of its retries run at once",
        "mend the workflow, or what it calls; the others go on",
        _flooded,
    ),
    Rule(
        Status.DEGRADED,
        f"it replaced one that died less than {RESTART_SHOWS:.0f} s ago; recycling "
        "after ``MAX_EVENTS_PER_WORKER`` or at ``MAX_MEMORY_MB`` does not count",
        "the log says how it ended; what ran goes on in the new one",
        _restarted,
    ),
    Rule(
        Status.DEGRADED,
        "it is starting",
        "nothing",
        _starting,
    ),
    Rule(
        Status.DEGRADED,
        "it drains: it takes nothing new and finishes what runs",
        "nothing",
        _draining,
    ),
)
"""Every rule that applies gives its reason; the first one gives the status."""


def redis_away(view: SlotView, now: float) -> float:
    """Return for how many seconds Redis does not answer a worker; 0: it does."""
    return now - view.redis_down_since if view.redis_down_since else 0.0


_REASONS = {
    BROKEN: "one of its own threads died",
    UNREADY: "on_worker_start failed",
}
"""What exit statuses of our own stand for."""


def ending(exit_status: int) -> str:
    """Say how a process ended, in words.

    Args:
        exit_status: its exit status, or minus the signal that killed it.
    """
    if exit_status >= 0:
        why = _REASONS.get(exit_status)
        return f"exit status {exit_status}" + (f", {why}" if why else "")
    try:
        return signal.Signals(-exit_status).name
    except ValueError:
        return f"signal {-exit_status}"
