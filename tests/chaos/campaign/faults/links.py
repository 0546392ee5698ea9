"""Faults of the way between an instance and its server.

Made by its proxy; or where instances have hosts of their own, at their cables.
"""

from __future__ import annotations

from tests.chaos.campaign.faults.striking import Healing, Strike, Table, into

FAULTS: Table = {}


@into(FAULTS, "cut")
def cut(strike: Strike) -> Healing:
    """Every link of an instance breaks; new ones can be made at once."""
    instance = strike.instance()
    strike.tell(instance=instance)
    strike.cluster.proxy(instance).cut()
    return strike.lasting(0.2, 0.5, instance=instance)


@into(FAULTS, "cut-off")
def cut_off(strike: Strike) -> Healing:
    """Every link breaks, and none can be made for a while."""
    instance = strike.instance()
    proxy = strike.cluster.proxy(instance)
    strike.tell(instance=instance)
    proxy.refuse()
    return strike.lasting(0.3, 4.0, proxy.heal, instance=instance)


@into(FAULTS, "half-open")
def half_open(strike: Strike) -> Healing:
    """Links stay and pass nothing on; then they do, what was held back too."""
    instance = strike.instance()
    proxy = strike.cluster.proxy(instance)
    strike.tell(instance=instance)
    proxy.freeze()
    return strike.lasting(0.3, 4.0, proxy.heal, instance=instance)


@into(FAULTS, "strand")
def strand(strike: Strike) -> Healing:
    """The links there are never pass anything on again; new ones do."""
    instance = strike.instance()
    strike.tell(instance=instance)
    strike.cluster.proxy(instance).strand()
    return strike.lasting(0.2, 0.5, instance=instance)


@into(FAULTS, "delay")
def delay(strike: Strike) -> Healing:
    """Everything comes late, both ways."""
    instance = strike.instance()
    proxy = strike.cluster.proxy(instance)
    seconds = round(strike.chance.uniform(0.02, 0.4), 3)
    strike.tell(instance=instance, seconds=seconds)
    proxy.delay(seconds)
    return strike.lasting(0.5, 3.0, proxy.heal, instance=instance)


@into(FAULTS, "truncate")
def truncate(strike: Strike) -> Healing:
    """Some links break in the middle of an answer."""
    return _break_next(strike, "truncate")


@into(FAULTS, "swallow")
def swallow(strike: Strike) -> Healing:
    """Some commands are carried out, and their answers never come."""
    return _break_next(strike, "swallow")


@into(FAULTS, "tear")
def tear(strike: Strike) -> Healing:
    """Some links break in the middle of a command."""
    return _break_next(strike, "tear")


def _break_next(strike: Strike, how: str) -> Healing:
    instance = strike.instance()
    proxy = strike.cluster.proxy(instance)
    count = strike.chance.randint(1, 8)
    strike.tell(instance=instance, count=count)
    {"truncate": proxy.truncate, "swallow": proxy.swallow, "tear": proxy.tear}[how](
        count
    )
    return strike.lasting(0.3, 1.0, proxy.heal, instance=instance)


@into(FAULTS, "unplug")
def unplug(strike: Strike) -> Healing | None:
    """The cable is pulled: nothing arrives, and nobody is told."""
    hosts, instance = strike.cluster.hosts, strike.instance()
    if hosts is None:
        return None
    strike.tell(instance=instance)
    hosts.unplug(instance)
    return strike.lasting(0.3, 4.0, lambda: hosts.plug(instance), instance=instance)


@into(FAULTS, "deafen")
def deafen(strike: Strike) -> Healing | None:
    """What the instance says arrives; the answers don't."""
    hosts, instance = strike.cluster.hosts, strike.instance()
    if hosts is None:
        return None
    strike.tell(instance=instance)
    hosts.deafen(instance)
    return strike.lasting(0.3, 4.0, lambda: hosts.undeafen(instance), instance=instance)
