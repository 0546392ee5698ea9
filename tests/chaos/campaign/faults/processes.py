"""Faults of an instance's processes: killed, and stopped for longer than a lease."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence

from tests.chaos.campaign.faults.striking import Healing, Strike, Table, into

FAULTS: Table = {}
LONGEST_STOP = 4.0
"""Seconds; more than twice the lease of a campaign."""


def send(pids: Sequence[int], number: int) -> None:
    """Signal those that still live."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@into(FAULTS, "kill-worker")
def kill_worker(strike: Strike) -> Healing | None:
    """A worker dies at once; its master starts another."""
    instance = strike.instance(workers=1)
    pid = strike.one(strike.cluster.workers(instance))
    if pid is None:
        return None
    strike.tell(pids=[pid], instance=instance)
    send([pid], signal.SIGKILL)
    return strike.lasting(0.2, 0.5, pids=[pid], instance=instance)


@into(FAULTS, "kill-workers")
def kill_workers(strike: Strike) -> Healing | None:
    """All workers of an instance die together."""
    instance = strike.instance(workers=1)
    pids = strike.cluster.workers(instance)
    if not pids:
        return None
    strike.tell(pids=pids, instance=instance)
    send(pids, signal.SIGKILL)
    return strike.lasting(0.2, 1.0, pids=pids, instance=instance)


@into(FAULTS, "kill-monitor")
def kill_monitor(strike: Strike) -> Healing | None:
    """The HTTP process dies; its master starts another."""
    instance = strike.instance(workers=1)
    pid = strike.cluster.monitor(instance)
    if pid is None:
        return None
    strike.tell(pids=[pid], instance=instance)
    send([pid], signal.SIGKILL)
    return strike.lasting(0.2, 0.5, pids=[pid], instance=instance)


@into(FAULTS, "kill-master")
def kill_master(strike: Strike) -> Healing | None:
    """The master dies, and all its children with it; somebody starts it again."""
    instance = strike.instance(workers=1)
    master = strike.cluster.master(instance)
    if master is None:
        return None
    pids = [master, *strike.cluster.workers(instance)]
    strike.tell(pids=pids, instance=instance)
    send([master], signal.SIGKILL)
    return strike.lasting(
        0.2,
        1.5,
        lambda: strike.cluster.revive(instance),
        pids=pids,
        instance=instance,
    )


@into(FAULTS, "stop-worker")
def stop_worker(strike: Strike) -> Healing | None:
    """A worker stands still, often for longer than its leases last, and goes on."""
    instance = strike.instance(workers=1)
    pid = strike.one(strike.cluster.workers(instance))
    return _stop(strike, instance, [pid] if pid else [], LONGEST_STOP)


@into(FAULTS, "stop-instance")
def stop_instance(strike: Strike) -> Healing | None:
    """Master, monitor and workers stand still, as when a machine is suspended."""
    instance = strike.instance(workers=1)
    cluster = strike.cluster
    above = [cluster.master(instance), cluster.monitor(instance)]
    pids = [pid for pid in (*above, *cluster.workers(instance)) if pid]
    return _stop(strike, instance, pids, LONGEST_STOP)


@into(FAULTS, "stop-monitor")
def stop_monitor(strike: Strike) -> Healing | None:
    """The HTTP process, which renews for silent workers, stands still."""
    instance = strike.instance(workers=1)
    pid = strike.cluster.monitor(instance)
    return _stop(strike, instance, [pid] if pid else [], 2.0)


def _stop(
    strike: Strike, instance: str, pids: Sequence[int], most: float
) -> Healing | None:
    if not pids:
        return None
    strike.tell(pids=pids, instance=instance)
    send(pids, signal.SIGSTOP)
    return strike.lasting(
        0.2,
        most,
        lambda: send(pids, signal.SIGCONT),
        pids=pids,
        instance=instance,
    )
