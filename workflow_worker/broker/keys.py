"""The data model in Redis, as a table; the only place that spells key names.

``wf`` is the namespace and ``0`` the partition; the braces keep a partition's keys in
one cluster slot. Scripts get the prefix as their one key and build the rest from it.

==========================  =======  ==================================================
key                         type     holds, and how long
==========================  =======  ==================================================
``{wf:0}:events``           stream   events not yet committed; deleted when they are, so
                                     its length is the backlog; never trimmed. Groups
                                     ``workers`` (leases) and ``bell`` (wake-ups)
``{wf:0}:bell``             stream   rings without work: an earlier timer was set;
                                     about 1000 entries
``{wf:0}:timers``           zset     what is due when, by the server's clock in ms:
                                     ``p:`` put-backs, ``d:`` delayed events, ``w:``
                                     ends of waits
``{wf:0}:timer-data``       hash     what to do then; leaves with its timer
``{wf:0}:x:<id>``           hash     record of an execution, its event under ``e:``
``{wf:0}:j:<id>``           list     its journal; lives as long as its record
``{wf:0}:in:<id>``          hash     its inbox: what it was sent and has not consumed;
                                     gone when empty, or with the execution's end
``{wf:0}:open:<w>:<key>``   zset     open executions of a workflow that take signals
                                     with this key, in the order of their starts
``{wf:0}:early:<slot>``     zset     signals before their execution, by the time they
                                     are forgotten; ``<w>:<key>`` or ``@<id>``
``{wf:0}:early``            zset     the slots, by the time of their first to go
``{wf:0}:late:<w>:<key>``   string   an execution of this key has just ended: its late
                                     signals are ignored; expires after EARLY_TTL_MS
``{wf:0}:fanout``           list     signals on their way to very many executions
``{wf:0}:expiry``           zset     finished executions by the time they are forgotten
``{wf:0}:by-status:<s>``    zset     executions by status and time of the last change
``{wf:0}:once:<id>``        string   the entry that carried this publish id first;
                                     expires after ``DEDUP_TTL_MS``
``{wf:0}:quarantine``       string   whose suspect may run now: a consumer; LEASE_MS,
                                     renewed while it runs
``{wf:0}:lock:<name>``      string   who holds the user's lock, and its token; expires
                                     after the lock's ttl, renewed while it is held
``{wf:0}:fence``            string   the last token of any lock
``{wf:0}:dead``             stream   dead letters; leave only by a person's hand
``{wf:0}:stats``            hash     counters, changed only inside scripts, hence exact
``{wf:0}:routes``           hash     what the fleet wants: ``@digest`` per distinct App;
                                     the union of the living under ``=name`` and ``*``
                                     (starts), ``!name`` (signals), ``#workflow``
``{wf}:meta``               hash     ``protocol`` version and ``epoch`` of the database
``{wf}:instances``          hash     what each instance says of itself, JSON, every two
                                     seconds; removed by its orderly end
``{wf}:beats``              zset     instances by the time of their last sign of life;
                                     both expire 10 minutes after the last of any
==========================  =======  ==================================================
"""

from __future__ import annotations

from dataclasses import dataclass

WORKERS = "workers"
"""Group whose pending entries are the leases."""
BELL = "bell"
"""Group that wakes one idle worker per new entry; reads without acknowledging."""
PROTOCOL = "2"
"""Version of everything in this package; raised when old and new can't share keys."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Where one partition's keys are.

    Attributes:
        namespace: first part of every key, ``WORKFLOW_NAMESPACE``.
        number: which partition.
        ahead_ms: how far the scripts' clock is ahead of the server's; only a
            TestWorker, which skips time, has other than 0.
    """

    namespace: str
    number: int = 0
    ahead_ms: int = 0

    @property
    def prefix(self) -> str:
        """What every key of the partition starts with; the one key of each script."""
        return f"{{{self.namespace}:{self.number}}}:"

    @property
    def events(self) -> str:
        """The stream of events."""
        return f"{self.prefix}events"

    @property
    def bell(self) -> str:
        """The stream that rings for timers."""
        return f"{self.prefix}bell"

    @property
    def dead(self) -> str:
        """The stream of dead letters."""
        return f"{self.prefix}dead"

    @property
    def stats(self) -> str:
        """The hash of counters."""
        return f"{self.prefix}stats"

    @property
    def timers(self) -> str:
        """The sorted set of due times."""
        return f"{self.prefix}timers"

    @property
    def timer_data(self) -> str:
        """The hash of what to do then."""
        return f"{self.prefix}timer-data"

    @property
    def routes(self) -> str:
        """The hash of what the fleet wants."""
        return f"{self.prefix}routes"

    @property
    def early(self) -> str:
        """The sorted set of slots of signals before their execution."""
        return f"{self.prefix}early"

    @property
    def fleet(self) -> str:
        """What every key of the whole starts with; the one key of its scripts."""
        return f"{{{self.namespace}}}:"

    @property
    def meta(self) -> str:
        """The hash about the database as a whole."""
        return f"{self.fleet}meta"

    @property
    def instances(self) -> str:
        """The hash of what instances say of themselves."""
        return f"{self.fleet}instances"

    @property
    def beats(self) -> str:
        """The sorted set of their signs of life."""
        return f"{self.fleet}beats"

    def record(self, execution_id: str) -> str:
        """The hash of one execution."""
        return f"{self.prefix}x:{execution_id}"

    def journal(self, execution_id: str) -> str:
        """The list that is its history."""
        return f"{self.prefix}j:{execution_id}"

    def inbox(self, execution_id: str) -> str:
        """The hash of what it was sent and has not consumed."""
        return f"{self.prefix}in:{execution_id}"

    def by_status(self, status: str) -> str:
        """The sorted set of executions with this status."""
        return f"{self.prefix}by-status:{status}"
