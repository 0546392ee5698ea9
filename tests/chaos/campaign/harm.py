"""What each fault may do to the promises: whom it kills, silences, makes forget.

Owns the excuses. An action may happen twice only if one of the two processes was
killed, or could not renew its leases for as long as they last; or if the server forgot
what it had been told. Must never excuse more than a fault's own processes and time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.chaos.campaign.records import Act, EffectLine, Fault

ANSWER_TIMEOUT = 5.0
"""Seconds after which a worker gives up a link that does not answer."""
RECONNECT = 0.3
"""Seconds it needs to be at work again, beside its back-off."""
LONGEST_BACKOFF = 1.0
"""Seconds between two tries to reach the server."""
SLACK = 1.0
"""Seconds by which what we note of a moment can differ from it."""
STORED = 2.0
"""Seconds after which the result of an action is surely stored, if the server can be
reached: 10 ms, and whatever a busy machine adds."""

KILLS = {"kill-worker", "kill-workers", "kill-master"}
STOPS = {"stop-worker", "stop-instance"}
LINKS = {"cut", "cut-off", "half-open", "delay", "truncate", "tear"}
STRANDS = {"strand", "swallow", "unplug", "deafen"}
"""A reply never comes: whoever waits for it does so until it gives the link up."""
SERVERS = {
    *("kill-server", "restart-server", "stop-server", "lose-tail", "slow-load"),
    *("kick", "full-server", "stall"),
}
ANSWERS = {
    *("oom", "readonly", "misconf", "busy", "full-house", "loading"),
    *("clusterdown", "tryagain"),
}
HARMLESS = {
    *("kill-monitor", "stop-monitor", "script-flush", "full-log"),
    *("hup", "ttin", "ttou", "usr1", "restart-instance"),
}
"""These excuse nothing at all."""
KNOWN = KILLS | STOPS | LINKS | STRANDS | SERVERS | ANSWERS | HARMLESS


@dataclass(frozen=True)
class Silence:
    """A time in which a process may have been unable to renew.

    Attributes:
        start: when it began.
        end: when it was surely over.
        pids: whose; empty: of a whole instance, or of all.
        instance: whose; empty: of all, if there are no pids.
    """

    start: float
    end: float
    pids: tuple[int, ...] = ()
    instance: str = ""

    def holds_up(self, line: EffectLine) -> bool:
        """Tell whether it concerns the process that wrote this line."""
        if self.pids:
            return line.pid in self.pids
        return not self.instance or self.instance == line.instance


@dataclass(frozen=True)
class Harm:
    """All that the faults of an episode may have done.

    Attributes:
        faults: in the order in which they struck.
        lease: seconds.
    """

    faults: Sequence[Fault]
    lease: float

    def killed(self, line: EffectLine, before: float) -> bool:
        """Tell whether the process that wrote this was killed after it, before then."""
        return any(
            fault.name in KILLS
            and line.t - SLACK <= fault.healed
            and fault.struck <= before
            and (
                line.pid in fault.pids
                # Also those that were not at work yet when their master died.
                or (fault.name == "kill-master" and fault.instance == line.instance)
            )
            for fault in self.faults
        )

    @cached_property
    def silences(self) -> list[Silence]:
        """Every time in which somebody may not have renewed, each on its own."""
        found = []
        for fault in self.faults:
            extra = self._after(fault)
            if extra is None:
                continue
            pids = fault.pids if fault.name in STOPS else ()
            instance = "" if fault.name in SERVERS else fault.instance
            found.append(Silence(fault.struck, fault.healed + extra, pids, instance))
        return found

    def _after(self, fault: Fault) -> float | None:
        """How long after its heal a fault may silence; None: it silences nobody."""
        if fault.name in STOPS:
            return RECONNECT
        if fault.name in STRANDS:
            return ANSWER_TIMEOUT + LONGEST_BACKOFF + RECONNECT
        if fault.name in LINKS | SERVERS | ANSWERS:
            # The pauses between tries double: none is longer than all before together.
            return min(fault.healed - fault.struck, LONGEST_BACKOFF) + RECONNECT
        return None

    def silenced(
        self, line: EffectLine, since: float, until: float, ttl: float | None = None
    ) -> bool:
        """Tell whether a process may have lost what it held between the two moments.

        It renews three times a lease; so it has been silent for one if it could not
        renew for two thirds of it.

        Args:
            line: written by the process.
            since: the one moment.
            until: the other.
            ttl: seconds; None for the leases of its events.
        """
        lease = ttl or self.lease
        own = [each for each in self.silences if each.holds_up(line)]
        own = [each for each in own if each.end >= since and each.start <= until]
        start = end = float("-inf")
        for silence in sorted(own, key=lambda each: each.start):
            if silence.start > end + lease / 3:
                start = silence.start
            end = max(end, silence.end)
            if end - start >= lease * 2 / 3:
                return True
        return False

    def forgotten(self, at: float, until: float = float("inf")) -> bool:
        """Tell whether the server may have forgotten what it was told at a moment.

        Args:
            at: the moment.
            until: only what it forgot before this one counts.
        """
        return any(
            fault.since is not None
            and fault.since - SLACK <= at <= fault.struck + SLACK
            and fault.struck <= until
            for fault in self.faults
        )

    @property
    def forgetful(self) -> bool:
        """Whether the server forgot anything at all."""
        return any(fault.since is not None for fault in self.faults)

    def durable(self, act: Act) -> float:
        """When what came of a try was surely stored; infinite if it never ended.

        As long as its process can't reach the server, it is not.
        """
        if act.ended is None:
            return float("inf")
        stored = act.ended + STORED
        for silence in sorted(self.silences, key=lambda each: each.start):
            if silence.holds_up(act.begin) and act.begin.t <= silence.end:
                if silence.start > stored:
                    break
                stored = max(stored, silence.end + STORED)
        return stored

    def may_repeat(self, first: Act, second: Act) -> bool:
        """Tell whether something explains that the same try began a second time."""
        one, other = first.begin, second.begin
        # What struck once it was stored is no reason.
        before = min(self.durable(first), other.t)
        # What was stored late, because the server was away, can be forgotten, too.
        stored = first.ended if first.ended is not None else other.t
        return (
            self.killed(one, before)
            or self.silenced(one, one.t, before)
            # Stopped on the doorstep, it went in when the other had been there.
            or self.silenced(other, max(one.t, other.t - SLACK), other.t)
            or any(
                fault.since is not None
                and fault.since - SLACK <= stored
                and one.t <= fault.struck + SLACK
                and fault.struck <= other.t
                for fault in self.faults
            )
        )
