"""Facts that are as they should be, for tests that change one of them."""

from __future__ import annotations

from typing import Any

import msgspec

from workflow_worker.broker.checkup_executions import Open
from workflow_worker.broker.checkup_work import Consumer, Lease, Moment
from workflow_worker.broker.instances import Instance
from workflow_worker.broker.listing import STATUSES

NOW_MS = 1_800_000_000_000
INFO = {
    "redis_version": "7.0.15",
    "role": "master",
    "maxclients": "10000",
    "connected_clients": "5",
    "maxmemory": "1000000000",
    "maxmemory_policy": "noeviction",
    "used_memory": "1000000",
    "used_memory_rss": "2000000",
    "total_system_memory": "2000000000",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "rdb_changes_since_last_save": "7",
}
CONFIG = {
    "timeout": "0",
    "tcp-keepalive": "300",
    "appendfsync": "always",
    "save": "",
    "stop-writes-on-bgsave-error": "yes",
    "min-replicas-to-write": "0",
}
SERVICE = Instance(name="svc", host="h1", version="1.0", status="healthy")


def info(**changed: str) -> dict[str, str]:
    return INFO | changed


def moment(**changed: Any) -> Moment:
    kept: dict[str, Any] = {
        "server_ms": NOW_MS,
        "stats": {},
        "statuses": dict.fromkeys(STATUSES, 0) | changed.pop("statuses", {}),
        "stream": 0,
        "leased": 0,
        "timers": 0,
        "overdue": 0,
        "next_due_ms": None,
        "letters": 0,
        "early": 0,
        "waiting_since_ms": None,
    }
    return Moment(**(kept | changed))


def instance(**changed: Any) -> Instance:
    return msgspec.structs.replace(SERVICE, **changed)


def lease(**changed: Any) -> Lease:
    kept = {"entry": "1-0", "consumer": "svc.0.abc", "idle_ms": 10, "deliveries": 1}
    return Lease(**(kept | changed))


def consumer(name: str = "svc.0.abc", pending: int = 0, idle_ms: int = 10) -> Consumer:
    return Consumer(name, pending, idle_ms)


def opened(**changed: Any) -> Open:
    kept: dict[str, Any] = {
        "id": "0-1-0.w",
        "status": "waiting",
        "step": "1",
        "since_ms": NOW_MS - 1000.0,
        "awaits": ("go",),
        "due_ms": None,
        "has_timer": False,
        "has_wake": None,
        "has_come": False,
        "lost_child": False,
        "inbox": 0,
    }
    return Open(**(kept | changed))
