"""Every metric of the service once: name, type, labels, meaning, and when to worry.

Owns the names that dashboards and alerts rely on. ``scripts/doc_tables.py`` writes
the table into the docs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

PREFIX = "workflow_worker_"
BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
"""Seconds: from what costs nothing to what holds a thread for minutes."""

SUCCEEDED, FAILED, RETRIED = "succeeded", "failed", "retried"
SUSPENDED, IGNORED = "suspended", "ignored"
"""Values of the label ``outcome``."""


class Kind(enum.StrEnum):
    """What Prometheus may do with a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Row:
    """One metric.

    Attributes:
        name: without the prefix.
        kind: counters keep their ``_total``.
        labels: their names; what they can be is bounded.
        meaning: what is counted, which is its help text too.
        worry: when, and what it then means.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    worry: str

    @property
    def full_name(self) -> str:
        """As it is served."""
        return PREFIX + self.name


EVENTS = Row(
    "events_total",
    Kind.COUNTER,
    ("workflow", "outcome"),
    "Events by what came of them. Each event succeeded, failed or was ignored once; "
    "retried and suspended are runs. The workflow is empty where none ran.",
    "The share of failed grows, or nothing succeeds while the backlog grows.",
)
EVENT_DURATION = Row(
    "event_duration_seconds",
    Kind.HISTOGRAM,
    ("workflow",),
    "How long one run of a workflow held its thread, actions included.",
    "It nears EVENT_TIMEOUT_MS, or HANG_TIMEOUT_MS where code in C holds the GIL.",
)
EVENT_WAIT = Row(
    "event_wait_seconds",
    Kind.HISTOGRAM,
    ("workflow",),
    "From an event's publishing, or the time it was delayed to, to its first run.",
    "It grows: there are too few workers or threads.",
)
ACTIONS = Row(
    "actions_total",
    Kind.COUNTER,
    ("action", "outcome"),
    "Tries of actions: succeeded, failed for good, or failed and to be retried.",
    "The share of retried or failed grows: what the action calls is in trouble.",
)
ACTION_DURATION = Row(
    "action_duration_seconds",
    Kind.HISTOGRAM,
    ("action",),
    "How long one try of an action took.",
    "It nears the action's timeout.",
)
ERRORS = Row(
    "errors_total",
    Kind.COUNTER,
    ("category",),
    "Failed tries of actions, and failures of workflows' own code, by category.",
    "Permanent ones are mistakes in code or data; the others heal, or become them.",
)
DEAD_LETTERS = Row(
    "dead_letters_total",
    Kind.COUNTER,
    ("workflow",),
    "Executions and events that were given up and kept as dead letters.",
    "Any: look at wfworker dlq list.",
)
LEASES_LOST = Row(
    "leases_lost_total",
    Kind.COUNTER,
    (),
    "Events that another worker took over from one that was silent for LEASE_MS.",
    "More than a few: machines stall. Actions that ran may have run twice.",
)
RESTARTS = Row(
    "restarts_total",
    Kind.COUNTER,
    ("reason",),
    "Workers replaced: died, hung, overdue; events and memory are planned recycling.",
    "Died or hung: see the log, which has the stacks of a worker that hung.",
)
CPU = Row(
    "process_cpu_seconds_total",
    Kind.COUNTER,
    ("worker",),
    "Processor time of the workers that lived in this slot.",
    "Near one second a second: threads wait for the GIL, so use more workers.",
)
WORKERS = Row(
    "workers",
    Kind.GAUGE,
    ("status",),
    "Workers by health: healthy, degraded, unhealthy; reasons are in /api/workers.",
    "Unhealthy ones for minutes, or none that is healthy.",
)
ACTIVE_EVENTS = Row(
    "active_events",
    Kind.GAUGE,
    (),
    "Events that run now.",
    "As many as threads (workers times CONCURRENCY_LIMIT) while the backlog grows.",
)
BACKLOG = Row(
    "stream_backlog",
    Kind.GAUGE,
    (),
    "Events in the stream, those that run included. Of the fleet, not this instance.",
    "It grows over many minutes.",
)
PENDING = Row(
    "stream_pending",
    Kind.GAUGE,
    (),
    "Events of the stream that a worker has taken. Of the fleet.",
    "More than all threads and two batches of each worker: somebody died unnoticed.",
)
TIMERS = Row(
    "timers",
    Kind.GAUGE,
    (),
    "Delayed events, retries, sleeps and ends of waits that are set. Of the fleet.",
    "It grows without bound: something starts waits that nobody ends.",
)
DEAD_LETTERS_STORED = Row(
    "dead_letters_stored",
    Kind.GAUGE,
    (),
    "Dead letters that wait for a person. Of the fleet.",
    "Any.",
)
REDIS_UP = Row(
    "redis_up",
    Kind.GAUGE,
    (),
    "1 if Redis answered the monitor in the last seconds, else 0; then the figures of "
    "the fleet are missing.",
    "0: nothing runs, and nothing is lost; publishers get errors.",
)
MEMORY = Row(
    "process_resident_memory_bytes",
    Kind.GAUGE,
    ("worker",),
    "Resident memory of the worker in this slot.",
    "It grows without end: bound it with MAX_MEMORY_MB.",
)
HEARTBEAT_AGE = Row(
    "heartbeat_age_seconds",
    Kind.GAUGE,
    ("worker",),
    "Since the worker in this slot gave a sign of life; twice a second is usual.",
    "Over 10 s: code in C holds the GIL. At HANG_TIMEOUT_MS it is killed.",
)

COUNTED = (
    *(EVENTS, EVENT_DURATION, EVENT_WAIT, ACTIONS, ACTION_DURATION),
    *(ERRORS, DEAD_LETTERS, LEASES_LOST),
)
"""What workers count."""
SEEN = (
    *(RESTARTS, CPU, WORKERS, ACTIVE_EVENTS, BACKLOG, PENDING, TIMERS),
    *(DEAD_LETTERS_STORED, REDIS_UP, MEMORY, HEARTBEAT_AGE),
)
"""What the monitor sees."""
TABLE = (*COUNTED, *SEEN)
