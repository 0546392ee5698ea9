"""What ``wfworker doctor`` thinks of executions: stuck, old, full, or too many.

Pure: from what was read to a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

from workflow_worker.broker.checkup_executions import Open
from workflow_worker.cli.doctor.findings import Verdict, error, fine, note, warning
from workflow_worker.cli.text import DAY_MS, lasting, listed, numbered

OLD_MS = 7 * DAY_MS
"""How long an execution waits until somebody may have forgotten it."""
MANY_OPEN = 100_000
MANY_FAILED = 1000
ALMOST = 0.8
"""Share of a limit from which it is near."""


def why_stuck(found: Open) -> str:
    """Return why nothing will make this execution go on; empty if something will.

    An open execution waits for something that can still come, or has an entry that
    says to run it, or a timer.
    """
    if found.status == "running":
        return NO_ENTRY if found.has_wake is False else ""
    if found.due_ms is not None and not found.has_timer:
        return NO_TIMER
    # One to be tried again looks into its inbox then.
    if found.has_come and found.status == "waiting":
        return UNHEARD
    return "" if found.has_timer else _why_endless(found)


NO_ENTRY = "no entry says to run it"
NO_TIMER = "its timer is gone"
UNHEARD = "what it waits for has come, but nothing woke it"
NO_CHILD = "it waits for a child whose record is gone"
NOTHING = "it waits for nothing"


def _why_endless(found: Open) -> str:
    if not found.awaits:
        return NOTHING
    return NO_CHILD if found.lost_child else ""


def stuck(first: Sequence[Open], later: Sequence[Open], prefix: str) -> Verdict:
    """Judge what two looks agree on: one alone may have met it between two places.

    Args:
        first: the executions at a first look.
        later: those that seemed stuck, looked at again.
        prefix: of the partition's keys.
    """
    before = {each.id: each for each in first}
    found = {each.id: (each, why_stuck(each)) for each in later if why_stuck(each)}
    found = {
        known: each
        for known, each in found.items()
        if _place(before[known]) == _place(each[0])
    }
    blind = sum(each.status == "running" and each.has_wake is None for each in first)
    if not found:
        text = f"none of {numbered(len(first), 'open execution')} looked at"
        if not blind:
            return fine(text)
        return note(
            f"{text}; {blind} not judged",
            "The stream is too long to look through for what would run them.",
            "Ask again when the backlog is smaller.",
        )
    shown = listed(f"{known} ({why})" for known, (_, why) in found.items())
    one = min(found)
    return error(
        f"{numbered(len(found), 'execution')}: {shown}",
        "Nothing will make them go on: keys were removed by hand, or the server "
        "forgot a part. If neither happened, please report it.",
        f"The first one goes on with: {revival(found[one][0], prefix)}",
    )


def _place(found: Open) -> tuple[str, str, float]:
    """Return what differs once it has moved on."""
    return found.status, found.step, found.since_ms


def revival(found: Open, prefix: str) -> str:
    """Return the command that makes a stuck execution go on where its journal ends.

    What runs needs an entry; what waits needs its timer. One that is early makes it
    look again, and wait on.
    """
    why = why_stuck(found)
    if why == NO_CHILD:
        return f"wfworker executions cancel {quote(found.id)}"
    if why == NO_ENTRY:
        events = quote(f"{prefix}events")
        return f"redis-cli -u URL XADD {events} '*' _wake {quote(found.id)}"
    due = found.due_ms if why == NO_TIMER and found.due_ms else 0.0
    timers, timer = quote(f"{prefix}timers"), quote(f"w:{found.id}")
    return f"redis-cli -u URL ZADD {timers} {due:.0f} {timer}"


def waits(found: Sequence[Open], now_ms: float) -> Verdict:
    """Judge how long executions wait."""
    waiting = [each for each in found if each.status == "waiting"]
    old = [each for each in waiting if now_ms - each.since_ms > OLD_MS]
    # One with a timer ends by itself; what waits for a person may wait for ever.
    endless = [each for each in old if each.due_ms is None]
    if not endless:
        return fine(f"none waits for more than {lasting(OLD_MS)} without an end")
    longest = max(now_ms - each.since_ms for each in endless)
    return note(
        f"{numbered(len(endless), 'execution')} without a timeout, waiting for up to "
        f"{lasting(longest)}: {listed(each.id for each in endless)}",
        "What they wait for may never come; each takes some memory.",
        "wfworker executions show ID; cancel it, or give wait_for() a timeout=.",
    )


def inboxes(found: Sequence[Open], limit: int) -> Verdict:
    """Judge how full inboxes are.

    Args:
        found: executions.
        limit: INBOX_LIMIT.
    """
    full = [each for each in found if each.inbox >= ALMOST * limit]
    if not full:
        most = max((each.inbox for each in found), default=0)
        return fine(f"the fullest holds {most:,} of {limit:,}")
    worst = max(full, key=lambda each: each.inbox)
    return warning(
        f"{numbered(len(full), 'inbox', 'inboxes')} near INBOX_LIMIT; that of "
        f"{worst.id} holds {worst.inbox:,} of {limit:,}",
        "Signals beyond it are dead letters.",
        "Does the workflow wait for all the signals that it declares? Does one key "
        "stand for too much? continue_as_new for one that reads signals for ever.",
    )


def kept(statuses: Mapping[str, int], limit: int) -> Verdict:
    """Judge how many executions the server holds.

    Args:
        statuses: how many have which.
        limit: RESULT_LIMIT.
    """
    still = sum(statuses[s] for s in ("running", "waiting", "retrying"))
    ended = statuses["completed"] + statuses["cancelled"]
    failed = statuses["failed"]
    text = f"{still:,} open, {ended:,} finished, {failed:,} failed"
    if failed > MANY_FAILED:
        return warning(
            text,
            "Failed executions stay until a person decides, and take memory.",
            "wfworker dlq retry, or wfworker dlq purge --older-than 30d.",
        )
    if still > MANY_OPEN:
        return note(
            text,
            "An open execution takes 600 to 1,000 bytes and its payload and journal.",
            "If they should have ended: give waits a timeout=, workflows too.",
        )
    if ended > 1.1 * limit + 100:
        return note(
            text,
            f"More than RESULT_LIMIT, {limit:,}; some leave with each commit.",
            "Is RESULT_LIMIT the same for all services?",
        )
    return fine(text)
