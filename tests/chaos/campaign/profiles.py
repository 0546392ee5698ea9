"""The kinds of episodes: which server, which instances, which faults.

Owns what each kind is made of. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PROCESSES = {
    "kill-worker": 6.0,
    "kill-workers": 2.0,
    "kill-master": 2.0,
    "kill-monitor": 1.0,
    "stop-worker": 4.0,
    "stop-instance": 1.0,
    "stop-monitor": 0.5,
    "stop-worker+kill-worker": 1.0,
}
SERVER = {
    "kill-server": 2.0,
    "restart-server": 2.0,
    "stop-server": 1.0,
    "stop-server+kill-worker": 1.0,
    "kill-server+kill-master": 1.0,
    "kill-server+stop-worker": 1.0,
    "restart-server+hup": 1.0,
}
LINKS = {
    "cut": 3.0,
    "cut-off": 2.0,
    "half-open": 3.0,
    "strand": 1.0,
    "delay": 2.0,
    "truncate": 3.0,
    "swallow": 3.0,
    "tear": 2.0,
    "half-open+kill-worker": 1.0,
    "cut-off+kill-master": 1.0,
    "swallow+kill-worker": 1.0,
    "truncate+stop-worker": 1.0,
}
ANSWERS = {
    "oom": 2.0,
    "readonly": 2.0,
    "misconf": 1.0,
    "busy": 1.0,
    "script-flush": 2.0,
    "kick": 1.0,
    "full-house": 1.0,
    "slow-load": 1.0,
    "loading": 1.0,
    "clusterdown": 1.0,
    "tryagain": 2.0,
    "oom+kill-workers": 1.0,
    "readonly+kill-worker": 1.0,
    "misconf+hup": 1.0,
    "script-flush+kill-worker": 1.0,
    "slow-load+kill-worker": 1.0,
}
OPERATIONS = {
    "hup": 2.0,
    "ttin": 1.0,
    "ttou": 1.0,
    "usr1": 0.5,
    "restart-instance": 1.0,
    "hup+kill-worker": 1.0,
    "restart-instance+kill-worker": 1.0,
}


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of episode.

    Attributes:
        about: in a few words, for the report.
        faults: what may strike, and how often beside the others.
        server: options of the server: how safe its file is.
        instances: how many services.
        proxied: each instance, and the publishers, reach the server through a proxy.
        two_versions: the instances differ in the version of a workflow.
        forgets: a killed server may lose its last writes.
        hosts: server and instances are on hosts of their own.
        disks: logs and the server's file are on small disks of their own.
        clock: whose clock is hours off: ``server`` or the name of an instance.
    """

    about: str
    faults: dict[str, float] = field(default_factory=dict)
    server: tuple[str, ...] = ("--appendfsync", "always")
    instances: int = 2
    proxied: bool = False
    two_versions: bool = False
    forgets: bool = False
    hosts: bool = False
    disks: bool = False
    clock: str = ""


PROFILES = {
    "loopback": Profile(
        "processes and server killed, stopped, restarted",
        PROCESSES | SERVER,
    ),
    "links": Profile(
        "links cut, delayed, half open, truncated; workers killed",
        LINKS | {"kill-worker": 3.0},
        proxied=True,
    ),
    "everysec": Profile(
        "a server that may forget its last second",
        {"kill-server": 2.0, "restart-server": 2.0, "lose-tail": 3.0}
        | {"kill-worker": 2.0, "lose-tail+kill-workers": 2.0},
        server=("--appendfsync", "everysec"),
        forgets=True,
    ),
    "versions": Profile(
        "two code versions side by side, workers killed",
        {"kill-worker": 3.0, "kill-master": 2.0, "stop-worker": 2.0},
        two_versions=True,
    ),
    "answers": Profile(
        "a server that is full, read-only, busy, loading, or has forgotten all scripts",
        ANSWERS | {"kill-worker": 1.0},
        proxied=True,
    ),
    "operations": Profile(
        "reloads, restarts, more and fewer workers, and deaths meanwhile",
        OPERATIONS | {"kill-worker": 1.0, "kill-monitor": 0.5, "stop-worker": 1.0},
    ),
    "disks": Profile(
        "no room for logs, none for the server's file",
        {"full-log": 3.0, "full-server": 2.0, "kill-worker": 1.0, "usr1": 1.0}
        | {"full-log+kill-workers": 1.0, "full-server+kill-worker": 1.0},
        server=("--appendfsync", "everysec"),
        disks=True,
    ),
    "hosts": Profile(
        "hosts of their own: cables pulled, answers that never arrive",
        {"unplug": 3.0, "deafen": 2.0, "kill-worker": 1.0, "stop-instance": 1.0}
        | {"unplug+kill-worker": 1.0, "deafen+kill-master": 1.0},
        hosts=True,
    ),
    "clocks-instance": Profile(
        "an instance whose clock is hours off",
        PROCESSES,
        clock="b",
    ),
    "clocks-server": Profile(
        "a server whose clock is hours off",
        {"kill-worker": 2.0, "stop-worker": 1.0, "restart-server": 1.0},
        clock="server",
    ),
}
