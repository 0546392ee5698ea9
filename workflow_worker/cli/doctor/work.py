"""What ``wfworker doctor`` thinks of the work: services, backlog, leases, timers.

Pure: from what was read to a verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from workflow_worker.broker.checkup_work import Consumer, Lease, Letter, Moment, PutBack
from workflow_worker.broker.instances import Instance
from workflow_worker.broker.keys import PROTOCOL
from workflow_worker.cli.doctor.findings import Verdict, error, fine, note, warning
from workflow_worker.cli.text import lasting, listed, numbered

LATE_MS = 10_000
"""Age of the oldest entry in the stream from which there is a backlog worth a word."""
VERY_LATE_MS = 60_000
SUSPECT = 3
"""Deliveries from which an event is taken for the death of its workers."""
MANY_EARLY = 1000
LEFT_OVER = 100
"""Consumers without anything, from which somebody should tidy up."""

START = "Start one: wfworker start. Is one running, but with another REDIS_URL or \
WORKFLOW_NAMESPACE? See wfworker config."


def protocol(found: str, namespace: str) -> Verdict:
    """Judge who used this namespace before."""
    if not found:
        return note(
            f"no service has used the namespace {namespace} yet",
            "Right for a new one; else WORKFLOW_NAMESPACE or the database's number "
            "in REDIS_URL is another one than the services have.",
        )
    if found != PROTOCOL:
        return error(
            f"the namespace {namespace} holds protocol version {found}, "
            f"this is version {PROTOCOL}",
            "The two can't share keys; services refuse to start.",
            "Run the version of workflow-worker that wrote it to its end, or choose "
            "another WORKFLOW_NAMESPACE.",
        )
    return fine(f"namespace {namespace}, protocol version {found}")


def services(found: Sequence[Instance]) -> Verdict:
    """Judge the instances."""
    living = [each for each in found if not each.lost]
    lost = [each for each in found if each.lost]
    ill = [each for each in living if each.status not in {"healthy", "unknown"}]
    text = f"{numbered(len(living), 'service')} running"
    if ill:
        worst = min(ill, key=lambda each: each.status != "unhealthy")
        why = f": {worst.reasons[0]}" if worst.reasons else ""
        return warning(
            f"{text}, {len(ill)} not healthy; {worst.name} on {worst.host} is "
            f"{worst.status}{why}",
            "A part of its workers does not do its work.",
            "See wfworker status, and the log of that service.",
        )
    if lost:
        silent = min(each.silent_ms for each in lost)
        return warning(
            f"{text}; {numbered(len(lost), 'other')} vanished, the last one "
            f"{lasting(silent)} ago: {listed(f'{x.name} on {x.host}' for x in lost)}",
            "It ended without a word: killed, its host down, or cut off from Redis. "
            "What it ran is taken over after LEASE_MS.",
            "See its host and its log. If that is right, it is forgotten soon.",
        )
    versions = {each.version for each in living}
    if len(versions) > 1:
        return note(
            f"{text}, of versions {listed(versions)}",
            "Fine during an upgrade.",
            "Upgrade the rest.",
        )
    return fine(text) if living else note(f"{text}", "Events wait.", START)


def backlog(first: Moment, later: Moment, living: int) -> Verdict:
    """Judge what waits in the stream: how much, for how long, and whether it grows.

    Args:
        first: a moment.
        later: a second or so later.
        living: services that run.
    """
    if later.waiting_since_ms is None:
        return fine(f"nothing waits; {numbered(later.leased, 'event')} at work")
    age = max(0, later.server_ms - later.waiting_since_ms)
    count = numbered(later.waiting, "event waits", "events wait")
    text = f"{count}, the oldest for {lasting(age)}"
    if not living:
        return error(text, "No service runs that would take them.", START)
    grows = later.stream > first.stream
    if age < LATE_MS:
        return fine(text)
    seconds = max(0.001, (later.server_ms - first.server_ms) / 1000)
    pace = f"; {'growing' if grows else 'not growing'} "
    pace += f"({(later.stream - first.stream) / seconds:+.0f} a second)"
    judged = warning if grows or age >= VERY_LATE_MS else note
    return judged(
        text + pace,
        "More is published than is run, or it was for a while.",
        "See wfworker status: are all threads busy, with what? More workers "
        "(WORKER_COUNT), more threads where actions wait for others "
        "(CONCURRENCY_LIMIT), or more instances.",
    )


def silence(found: Sequence[Lease], lease_ms: int, living: int) -> Verdict:
    """Judge leases that nobody has renewed for longer than they last.

    Args:
        found: leases that are idle for longer than ``lease_ms``.
        lease_ms: how long they last.
        living: services that run.
    """
    if not found:
        return fine(f"none is older than LEASE_MS, {lasting(lease_ms)}")
    oldest = max(each.idle_ms for each in found)
    text = (
        f"{numbered(len(found), 'event')} taken by a worker that is silent, the "
        f"longest for {lasting(oldest)}"
    )
    if not living:
        return warning(text, "They go on once a service runs.", START)
    if oldest > 3 * lease_ms:
        return error(
            text,
            "Services run, but nobody takes these over.",
            "Are all threads busy? Only a free one takes over. Do the services have "
            "the same WORKFLOW_NAMESPACE and LEASE_MS as this command?",
        )
    return note(text, "They are being taken over.")


def consumers(
    found: Sequence[Consumer], instances: Sequence[Instance], lease_ms: int
) -> Verdict:
    """Judge names of workers that no running service has."""
    known = {each.name for each in instances if not each.lost}
    gone = [each for each in found if each.instance not in known]
    holding = [each for each in gone if each.pending]
    if holding:
        text = (
            f"{numbered(len(holding), 'worker')} of no running service still "
            f"{'holds' if len(holding) == 1 else 'hold'} "
            f"{numbered(sum(each.pending for each in holding), 'event')}: "
            f"{listed(each.name for each in holding)}"
        )
        means = (
            "Their process is gone. What they ran goes on elsewhere, after LEASE_MS."
        )
        if known and min(each.idle_ms for each in holding) <= lease_ms:
            return note(text, means)
        advice = "Nothing, if a service runs and this is gone in a minute. Else: "
        return warning(text, means, advice + START)
    if len(gone) > LEFT_OVER:
        return note(
            f"{numbered(len(gone), 'name')} of workers that are gone, holding nothing",
            "They do no harm but to take a little memory.",
        )
    return fine(f"{numbered(len(found), 'worker')} known, none holds events unduly")


def suspects(found: Sequence[Lease], most: int) -> Verdict:
    """Judge events that were handed out often.

    Args:
        found: leases.
        most: MAX_DELIVERIES.
    """
    often = [each for each in found if each.deliveries >= SUSPECT]
    if not often:
        return fine("no event has taken down its workers")
    worst = max(often, key=lambda each: each.deliveries)
    return warning(
        f"{numbered(len(often), 'event')} handed out {SUSPECT} times or more; "
        f"{worst.entry} {worst.deliveries} times",
        "Each time the worker died. Such an event runs alone, and is a dead letter "
        f"after MAX_DELIVERIES, {most}.",
        "See how workers died (wfworker status, the log): out of memory, a crash in "
        "a C extension, os._exit?",
    )


def unknown_work(
    found: Sequence[PutBack], workflows: Sequence[str], now_ms: float
) -> Verdict:
    """Judge what was put back because no worker had its workflow.

    Args:
        found: what was put back.
        workflows: of the executions among them.
        now_ms: the server's clock.
    """
    stray = [each for each in found if each.why == "unknown"]
    if not stray:
        return fine("no event waits for a workflow that no worker has")
    names = Counter([each.workflow for each in stray if each.workflow] + [*workflows])
    longest = max(now_ms - each.since_ms for each in stray)
    return warning(
        f"{numbered(len(stray), 'event')} put back, the first {lasting(longest)} ago, "
        f"for workflows that the worker had not, or not in this version: "
        f"{listed(names)}",
        "They are tried again by and by; after an hour they are dead letters.",
        "Run a service whose App has these workflows and versions. Renamed one? Keep "
        "the old name, or the old version, until its executions have ended.",
    )


def unwanted(first: Moment, later: Moment) -> Verdict:
    """Judge events that no workflow wanted."""
    count = later.stats.get("events_ignored", 0)
    if not count:
        return fine("every event was wanted by some workflow")
    now = count - first.stats.get("events_ignored", 0)
    text = f"{numbered(count, 'event')} that no workflow wanted"
    means = "They were counted and dropped: nobody declares on= or signals= for them."
    advice = (
        "Compare the names that producers publish with those in the App: a typing "
        "error, or a workflow that is not deployed? Else publish them elsewhere."
    )
    if now:
        return warning(f"{text}, {now} of them just now", means, advice)
    return note(text, means, advice)


def timers(found: Moment, living: int) -> Verdict:
    """Judge timers whose time is over."""
    text = numbered(found.timers, "timer")
    if not found.overdue or found.next_due_ms is None:
        return fine(f"{text}, none overdue")
    late = found.server_ms - found.next_due_ms
    text = f"{found.overdue} of {text} overdue, the first by {lasting(late)}"
    means = "Retries, delayed events and timeouts come late by as much."
    if not living:
        return error(text, f"No service runs that would fire them. {means}", START)
    return warning(
        text,
        f"Services run, but don't come round to them. {means}",
        "Each read fires a hundred: is there a large backlog, or are all workers "
        "stuck? See wfworker status, and wfworker health on each host.",
    )


def letters(count: int, newest: Letter | None, now_ms: float) -> Verdict:
    """Judge the dead letters."""
    if not count or newest is None:
        return fine("none")
    about = f"{newest.workflow or 'no workflow'}, {newest.error_type or 'no error'}"
    return warning(
        f"{numbered(count, 'dead letter')}, the newest {lasting(now_ms - newest.at_ms)}"
        f" old ({about})",
        "Each is an event that failed for good and waits for a person.",
        "wfworker dlq list; mend the cause, then wfworker dlq retry, or wfworker dlq "
        "purge what nobody needs.",
    )


def early(found: Moment) -> Verdict:
    """Judge signals that came before their execution."""
    expired = found.stats.get("signals_expired", 0)
    if found.early > MANY_EARLY:
        return warning(
            f"signals wait for {found.early:,} executions that have not begun",
            "They are forgotten after EARLY_TTL_MS.",
            "Do the signals carry the key of their execution? Is the event that "
            "starts it published, and is there a backlog?",
        )
    if expired:
        return note(
            f"{numbered(expired, 'signal')} forgotten: no execution began for them",
            "Within EARLY_TTL_MS none with their key started.",
            "Compare the keys of signals and of starting events; if executions begin "
            "later than that, raise EARLY_TTL_MS.",
        )
    return fine(f"signals wait for {numbered(found.early, 'execution')} to begin")


def books(found: Moment) -> Verdict:
    """Judge whether the exact counters agree with what is there."""
    stats = found.stats
    started = stats.get("executions_started", 0)
    ended = sum(stats.get(f"executions_{s}", 0) for s in _CLOSED)
    still = sum(found.statuses[s] for s in _OPEN)
    text = f"{numbered(started, 'execution')} started, {ended:,} ended, {still:,} open"
    if started == ended + still:
        return fine(text)
    return warning(
        f"{text}: {abs(started - ended - still):,} don't add up",
        "Every start and end is counted in the step that does it: somebody removed "
        "keys by hand, or a part of the database was restored alone.",
        "If neither was done, please report it, with the versions of this and of the "
        "server.",
    )


_OPEN = ("running", "waiting", "retrying")
_CLOSED = ("completed", "failed", "cancelled")
