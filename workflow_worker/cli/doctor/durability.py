"""What ``wfworker doctor`` thinks of what the server keeps: memory, disk, replicas.

Pure: from what was read to a verdict. What is promised is "exactly once per durable
history of the server": these checks say how durable that is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from workflow_worker.cli.doctor.findings import Verdict, error, fine, note, warning
from workflow_worker.cli.text import numbered, sized

NEARLY_FULL, FULL = 0.8, 0.95
LAG_S = 10
"""Seconds without a word of a replica."""
WORTH_BYTES = 256 * 2**20
"""Memory below which nobody minds how it is used."""


def eviction(info: Mapping[str, str]) -> Verdict:
    """Judge what the server does when its memory is full."""
    policy = info.get("maxmemory_policy", "noeviction")
    limited = info.get("maxmemory", "0") != "0"
    if policy == "noeviction":
        return fine("maxmemory-policy is noeviction")
    text = f"maxmemory-policy is {policy}"
    if policy.startswith("allkeys"):
        means = "When memory is full, the server drops events, executions and journals."
        advice = "CONFIG SET maxmemory-policy noeviction, and in its configuration file"
        if limited:
            return error(text, f"{means} Services refuse to start.", advice)
        return warning(
            f"{text}, maxmemory is none", f"{means} So far it has no limit.", advice
        )
    means = (
        "When memory is full, the server drops what has an end: locks that are held "
        "(two holders at once), and the publish ids it has seen (duplicates)."
    )
    advice = "CONFIG SET maxmemory-policy noeviction, and in its configuration file"
    judged = warning if limited else note
    return judged(text, means, advice)


def memory(info: Mapping[str, str]) -> Verdict:
    """Judge how full the server is."""
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    limit = most or int(info.get("total_system_memory", 0))
    whose = "maxmemory" if most else "the host's memory; maxmemory is not set"
    text = f"{sized(used)} of {sized(limit)} ({whose})" if limit else sized(used)
    share = used / limit if limit else 0.0
    means = (
        "When it is full, publishing is refused; what is in the stream still runs."
        if most
        else "When the host's memory is full, its kernel kills the server."
    )
    advice = (
        "Give the server more memory. What fills it: wfworker status; the backlog, "
        "open executions, RESULT_LIMIT and RESULT_TTL_MS, dead letters."
    )
    if share >= FULL:
        return error(text, means, advice)
    if share >= NEARLY_FULL:
        return warning(text, means, advice)
    return fine(text) if most else _unlimited(text)


def _unlimited(text: str) -> Verdict:
    return note(
        text,
        "A server without a limit is killed by its host instead of refusing.",
        "CONFIG SET maxmemory to about two thirds of what the host can spare: a "
        "snapshot or AOF rewrite needs the rest.",
    )


def fragmentation(info: Mapping[str, str]) -> Verdict:
    """Judge how its memory is laid out."""
    used, held = int(info.get("used_memory", 0)), int(info.get("used_memory_rss", 0))
    ratio = held / used if used else 1.0
    text = f"{sized(held)} resident for {sized(used)} used (ratio {ratio:.2f})"
    if used > WORTH_BYTES and ratio < 0.9:  # noqa: PLR2004 - less than it uses
        return warning(
            text,
            "A part of the server is swapped out: every answer may wait for the disk.",
            "Give the host memory, or take other programs off it.",
        )
    if held - used > WORTH_BYTES and ratio > 1.5:  # noqa: PLR2004 - the server's own advice
        return note(
            text,
            "Memory that was freed is not given back; usual after a large backlog.",
            "CONFIG SET activedefrag yes, or restart the server in a quiet hour.",
        )
    return fine(text)


def persistence(info: Mapping[str, str], config: Mapping[str, str] | None) -> Verdict:
    """Judge what a crash of the server, or of its host, takes along.

    Args:
        info: of the server.
        config: its ``appendfsync`` and ``save``; None if it does not tell.
    """
    if info.get("aof_enabled") == "1":
        return _appending(None if config is None else config.get("appendfsync"))
    changes = int(info.get("rdb_changes_since_last_save", 0))
    advice = (
        "CONFIG SET appendonly yes, and appendonly yes in its configuration file "
        "(on a managed service: its AOF or multi-zone option)."
    )
    if config is not None and not config.get("save", "").strip():
        return error(
            "none: no append-only file, no snapshots",
            "Whatever is queued, running, waiting or dead is gone when the server "
            "ends, for any reason.",
            advice,
        )
    kind = "no append-only file" if config is None else "snapshots only"
    return warning(
        f"{kind}; {numbered(changes, 'change')} since the last snapshot",
        "What changed since the last snapshot is lost if the server ends otherwise "
        "than by an orderly stop: events vanish, executions step back and run actions "
        "again, with the same idempotency keys.",
        advice,
    )


def _appending(fsync: str | None) -> Verdict:
    if fsync == "always":
        return fine("append-only file, appendfsync always: what is answered is on disk")
    if fsync == "no":
        return warning(
            "append-only file, appendfsync no",
            "The kernel decides when to write: a host that dies takes up to half a "
            "minute along.",
            "CONFIG SET appendfsync everysec, or always",
        )
    if fsync is None:
        return note(
            "append-only file; appendfsync is not told",
            "How much a host that dies takes along depends on it: usually a second.",
            "Ask whoever runs the server.",
        )
    return note(
        "append-only file, appendfsync everysec",
        "A host that dies takes the last one or two seconds along: those events are "
        "lost, those steps run again, with the same idempotency keys. A server that "
        "is killed on a living host loses next to nothing.",
        "If that is too much: CONFIG SET appendfsync always (a disk write per commit; "
        "commits are grouped).",
    )


def writes(info: Mapping[str, str], config: Mapping[str, str] | None) -> Verdict:
    """Judge whether the server's last writes to disk worked."""
    aof = info.get("aof_enabled") == "1"
    if aof and info.get("aof_last_write_status", "ok") != "ok":
        return error(
            "the last write to the append-only file failed",
            "The server refuses writes: nothing goes on.",
            "Is its disk full or read-only? See the server's own log.",
        )
    failed = [
        what
        for what, name in (
            ("snapshot", "rdb_last_bgsave_status"),
            ("rewrite of the append-only file", "aof_last_bgrewrite_status"),
        )
        if info.get(name, "ok") != "ok"
    ]
    if not failed:
        return fine("the last ones worked")
    refuses = (config or {}).get("stop-writes-on-bgsave-error") != "no"
    saves = bool((config or {}).get("save", "").strip())
    text = f"the last {' and the last '.join(failed)} failed"
    advice = (
        "Is the disk full, memory short for the fork (vm.overcommit_memory=1)? See "
        "the server's own log."
    )
    if failed[0] == "snapshot" and refuses and saves:
        return error(text, "The server refuses writes: nothing goes on.", advice)
    return warning(text, "The file grows, or the newest state is not saved.", advice)


_REPLICA = re.compile(r"^slave\d+$")


def replication(info: Mapping[str, str], config: Mapping[str, str] | None) -> Verdict:
    """Judge what a failover would take along."""
    replicas = [
        dict(part.split("=", 1) for part in value.split(",") if "=" in part)
        for name, value in info.items()
        if _REPLICA.match(name)
    ]
    wanted = int((config or {}).get("min-replicas-to-write", 0))
    good = int(info.get("min_slaves_good_slaves", len(replicas)))
    if wanted > good:
        return error(
            f"{good} of {wanted} replicas that min-replicas-to-write asks for",
            "The server refuses writes (NOREPLICAS): nothing goes on.",
            "Bring the replicas back, or lower min-replicas-to-write.",
        )
    if not replicas:
        return note(
            "no replicas",
            "The server's disk is the only copy. While the server is away nothing "
            "runs; nothing is lost by that.",
            "For a standby: replicaof on a second server, and a failover you trust.",
        )
    late = [r for r in replicas if r.get("state") != "online" or _lag(r) > LAG_S]
    text = numbered(len(replicas), "replica")
    if late:
        return warning(
            f"{text}, {len(late)} of them not up to date",
            "A failover to one of these loses what it has not got.",
            "See master_link_status on the replica, its log, and the network.",
        )
    if wanted:
        return fine(f"{text}, writes need {wanted} of them")
    return note(
        f"{text}, writes wait for none of them",
        "Replication is asynchronous: a failover loses what the replica had not got, "
        "and a primary that is cut off goes on taking writes that are lost.",
        "CONFIG SET min-replicas-to-write 1 and min-replicas-max-lag 10: a primary "
        "that is cut off then refuses writes.",
    )


def _lag(replica: Mapping[str, str]) -> int:
    text = replica.get("lag", "0")
    return int(text) if text.isdigit() else LAG_S + 1
