"""What an operator does to an instance: reloads, more and fewer workers, stacks."""

from __future__ import annotations

import signal

import psutil

from tests.chaos.campaign.faults.processes import send
from tests.chaos.campaign.faults.striking import Healing, Strike, Table, into
from tests.servers import wait_until

FAULTS: Table = {}
TO_DRAIN = 20.0
"""Seconds in which an instance must have ended that was told to."""


@into(FAULTS, "hup")
def hup(strike: Strike) -> Healing | None:
    """A rolling reload, now and then another while it is under way."""
    return _signal(strike, [signal.SIGHUP] * strike.chance.choice((1, 1, 2)))


@into(FAULTS, "ttin")
def ttin(strike: Strike) -> Healing | None:
    """One more worker, for a while."""
    return _signal(strike, [signal.SIGTTIN], signal.SIGTTOU)


@into(FAULTS, "ttou")
def ttou(strike: Strike) -> Healing | None:
    """One worker fewer, for a while."""
    return _signal(strike, [signal.SIGTTOU], signal.SIGTTIN, workers=2)


@into(FAULTS, "usr1")
def usr1(strike: Strike) -> Healing | None:
    """Stacks of all its processes into the log."""
    return _signal(strike, [signal.SIGUSR1])


@into(FAULTS, "restart-instance")
def restart_instance(strike: Strike) -> Healing | None:
    """TERM, a drain, and a new start, as for a new release."""
    instance = strike.instance(workers=1)
    master = strike.cluster.master(instance)
    if master is None:
        return None
    strike.tell(instance=instance)
    send([master], signal.SIGTERM)

    def again() -> None:
        wait_until(lambda: gone(master), TO_DRAIN, f"instance {instance} has ended")
        strike.cluster.revive(instance)

    return strike.lasting(0.2, 1.5, again, instance=instance)


def gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _signal(
    strike: Strike,
    numbers: list[signal.Signals],
    undo: signal.Signals | None = None,
    workers: int = 1,
) -> Healing | None:
    instance = strike.instance(workers)
    master = strike.cluster.master(instance)
    if master is None or len(strike.cluster.workers(instance)) < workers:
        return None
    strike.tell(instance=instance, signals=[number.name for number in numbers])
    for number in numbers:
        send([master], number)
    return strike.lasting(
        0.5,
        2.0,
        lambda: send([master], undo) if undo else None,
        instance=instance,
    )
