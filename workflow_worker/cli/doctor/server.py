"""What ``wfworker doctor`` thinks of the server: reach, speed, version, access, clock.

Pure: from what was read to a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from workflow_worker.broker.boot import OLDEST_REDIS, OLDEST_VALKEY
from workflow_worker.broker.checkup import Clock, Pings, Slow, Spike
from workflow_worker.cli.doctor.findings import Verdict, error, fine, note, warning
from workflow_worker.cli.text import HOUR_MS, lasting, listed, numbered

_UNCHECKED = re.compile("ssl_cert_reqs=(none|optional)|ssl_check_hostname=(false|no|0)")
SLUGGISH_MS = 20.0
"""Median round trip from which every step is slow."""
STALL_MS = 250.0
"""A single answer, or script, that took so long holds everybody up."""


def connection(found: Pings, url: str) -> Verdict:
    """Judge reach and speed.

    Args:
        found: round trips.
        url: of the server, masked.
    """
    text = (
        f"{url} answers in {lasting(found.median_ms)} "
        f"(slowest of {found.count}: {lasting(found.slowest_ms)})"
    )
    if found.median_ms >= SLUGGISH_MS:
        return warning(
            text,
            "Each step of a workflow costs one or two round trips: at this pace a "
            "thread can't do more than some dozen steps a second.",
            "Run the services beside the server: same network zone, no VPN or proxy "
            "in between. Is the server's processor busy with something else?",
        )
    if found.slowest_ms >= STALL_MS:
        return note(
            text,
            "Something held one answer up: the network, or a slow command of another "
            "client, which all wait for.",
            "Look at the checks for stalls and slow scripts below.",
        )
    return fine(text)


def unreachable(why: str, url: str) -> Verdict:
    """Say that nothing of the server could be checked.

    Args:
        why: one sentence.
        url: of the server, masked.
    """
    return error(
        f"{url}: {why}",
        "Nothing runs without the server: workers wait for it, publishing fails. "
        "Nothing is lost by that.",
        "Is REDIS_URL right (wfworker config), the server running, the port open from "
        "this host, the password valid? Try: redis-cli -u URL ping",
    )


def version(info: Mapping[str, str]) -> Verdict:
    """Judge what the server is."""
    valkey = info.get("valkey_version")
    name, text = (
        ("Valkey", valkey) if valkey else ("Redis", info.get("redis_version", "?"))
    )
    oldest = OLDEST_VALKEY if valkey else OLDEST_REDIS
    wanted = ".".join(map(str, oldest))
    if tuple(int(part) for part in text.split(".") if part.isdigit()) < oldest:
        return error(
            f"{name} {text}",
            f"Commands are missing; services refuse to start below {wanted}.",
            f"Upgrade it to {name} {wanted} or newer.",
        )
    return fine(f"{name} {text}")


def role(info: Mapping[str, str]) -> Verdict:
    """Judge whether it may be written to, and whether it is one server."""
    if info.get("role") in {"slave", "replica"}:
        return error(
            f"a read-only replica of {info.get('master_host')}",
            "It takes no writes; services refuse to start.",
            "Give REDIS_URL the address of the primary.",
        )
    if info.get("cluster_enabled") == "1":
        return error(
            "a node of a cluster",
            "It serves a part of the keys only, and sends clients elsewhere for the "
            "others; REDIS_URL knows one server.",
            "Use a server without cluster mode.",
        )
    return fine("a primary")


def transport(url: str, nearness: str, secure: bool, password: bool) -> Verdict:
    """Judge who could read along, or come in.

    Args:
        url: of the server, masked.
        nearness: of its addresses: ``host``, ``private`` or ``public``.
        secure: it is encrypted.
        password: it has one.
    """
    if _UNCHECKED.search(url):
        return warning(
            f"{url}: encrypted, but the certificate is not checked",
            "Whoever gets between can pose as the server and read everything.",
            "Take ssl_cert_reqs and ssl_check_hostname out of REDIS_URL; name your own "
            "authority with ssl_ca_certs=/PATH.",
        )
    if nearness == "host":
        return fine("on this host")
    gaps = [] if secure else ["in plain text"]
    gaps += [] if password else ["without a password"]
    if not gaps:
        return fine("encrypted, with a password")
    text = f"over a {nearness} network {' and '.join(gaps)}"
    means = (
        "Whoever is in that network can read the password and every payload, or "
        "change what is stored."
    )
    advice = "Use rediss:// and a password (requirepass, or an ACL user)."
    if nearness == "private":
        return note(text, means, f"Is that network not yours alone? {advice}")
    return warning(text, means, advice)


def permissions(forbidden: list[str], user: str) -> Verdict:
    """Judge what this user may not do."""
    if not forbidden:
        return fine("the user may do all that is needed")
    return error(
        f"the user may not send, or not for these keys: {listed(forbidden, 10)}",
        "What needs these fails; a worker waits until they are allowed.",
        "Allow them, and the keys of the namespace: "
        f"ACL SETUSER {user} {' '.join(f'+{n.lower()}' for n in forbidden[:10])}",
    )


def clock(first: Clock, later: Clock) -> Verdict:
    """Judge the server's clock: by its distance to ours, and by whether it jumps."""
    step = first.stepped_ms(later)
    if abs(step) > STALL_MS:
        return warning(
            f"the server's clock jumped by {lasting(step)} within "
            f"{later.at - first.at:.1f} s",
            "Leases and timers go by it: a jump ahead lets others take over what "
            "still runs, a jump back delays every timer.",
            "Let the server's host keep its time by slewing (chrony, ntpd).",
        )
    ahead = later.ahead_ms
    text = f"the server's is {lasting(abs(ahead))} "
    text += "ahead of this host's" if ahead > 0 else "behind this host's"
    if abs(ahead) > 5000:  # noqa: PLR2004 - seconds that people see
        return warning(
            text,
            "Timers go by the server's clock, ctx.now() and logs by the host's: "
            "times in logs don't fit, at= and sleep_until() are off by that much.",
            "Synchronise both hosts with NTP.",
        )
    if abs(ahead) > 500:  # noqa: PLR2004 - what NTP would not leave
        return note(text, "Times in logs of several hosts don't fit.", "Use NTP.")
    return fine(text)


def stalls(found: list[Spike], now_ms: float) -> Verdict:
    """Judge what the server's latency monitor noted in the last hour."""
    recent = [s for s in found if now_ms - s.at_ms < HOUR_MS]
    long = [s for s in recent if s.longest_ms >= STALL_MS]
    if long:
        shown = listed(f"{s.event} {lasting(s.longest_ms)}" for s in long)
        return warning(
            f"the server stood still within the last hour: {shown}",
            "Nobody gets an answer meanwhile. Longer than LEASE_MS, and work is "
            "taken over that still runs.",
            "fork and aof-*: a slow disk, or transparent huge pages (turn them off); "
            "command: see slow scripts, and other clients' KEYS or SORT. Ask the "
            "server itself: redis-cli latency doctor",
        )
    return fine("none noted in the last hour" if not recent else "only short ones")


def scripts(found: Slow) -> Verdict:
    """Judge how long our own scripts took in the last hour."""
    if not found.count:
        return fine("none in the slow log of the last hour")
    text = (
        f"{numbered(found.count, 'script')} of ours in the slow log of the last hour, "
        f"the longest took {lasting(found.longest_ms)}"
    )
    means = (
        "The server runs one script at a time. Ours are long with very large "
        "payloads, long journals, or on a server without processor time."
    )
    advice = (
        "Keep payloads small (store files elsewhere, send their names), use "
        "continue_as_new for executions with thousands of steps, lower BATCH_SIZE."
    )
    judged = warning if found.longest_ms >= STALL_MS else note
    return judged(text, means, advice)


def clients(info: Mapping[str, str], config: Mapping[str, str], wanted: int) -> Verdict:
    """Judge the room for connections.

    Args:
        info: of the server.
        config: its ``maxclients``, where INFO does not tell.
        wanted: what one service with these settings opens.
    """
    most = int(info.get("maxclients") or config.get("maxclients") or 0)
    now = int(info.get("connected_clients", 0))
    if not most:
        return note(f"{now} connections, of an unknown number")
    text = f"{now} of {most} connections; a service with these settings opens {wanted}"
    if now >= most * 0.8 or wanted >= most:
        return warning(
            text,
            "Beyond maxclients the server turns everybody away, workers too.",
            "Raise maxclients (and the open files of the server), or run fewer "
            "workers and threads.",
        )
    return fine(text)


def idleness(config: Mapping[str, str], lease_ms: int) -> Verdict:
    """Judge how the server treats connections that are idle or dead."""
    timeout = int(config.get("timeout", 0))
    keepalive = int(config.get("tcp-keepalive", 0))
    text = f"timeout {timeout} s, tcp-keepalive {keepalive} s"
    if 0 < timeout * 1000 <= lease_ms:
        return note(
            text,
            "The server hangs up on connections between two renewals of leases; "
            "they are opened again each time.",
            "CONFIG SET timeout 0",
        )
    if not keepalive:
        return note(
            text,
            "Connections of hosts that vanished stay for ever and count.",
            "CONFIG SET tcp-keepalive 300",
        )
    return fine(text)
