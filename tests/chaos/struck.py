"""A cluster of what a test has at hand, to be struck; and how a server is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import redis

from tests.chaos.campaign.disks import Disk
from tests.chaos.campaign.faults import FAULTS, Healing
from tests.chaos.campaign.hosts import Hosts
from tests.chaos.campaign.proxy import Proxy
from tests.servers import Server

TIMEOUT = 1.0
"""Seconds after which nobody answers any more."""


class Noted:
    """A journal that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, **fields: Any) -> None:
        self.lines.append(fields)


class Struck:
    """A cluster of what a test has; everything else is missing."""

    instances = ("east",)

    def __init__(
        self,
        server: Server,
        *,
        proxy: Proxy | None = None,
        hosts: Hosts | None = None,
        disk: Disk | None = None,
        master: int | None = None,
        workers: Sequence[int] = (),
    ) -> None:
        self.server = server
        self.hosts = hosts
        self.noted = Noted()
        self._proxy = proxy
        self._disk = disk
        self._master = master
        self._workers = list(workers)

    def strike(self, name: str) -> Healing:
        healing = FAULTS[name].strike(self, Random(7), self.noted)
        assert healing is not None
        return healing

    def proxy(self, instance: str) -> Proxy:
        assert self._proxy is not None
        return self._proxy

    def disk(self, whose: str) -> Disk | None:
        return self._disk

    def master(self, instance: str) -> int | None:
        return self._master

    def workers(self, instance: str) -> list[int]:
        return self._workers


def said(call: Callable[[], object]) -> str:
    """What a call comes to: its answer or the error."""
    try:
        return str(call())
    except redis.RedisError as error:
        return f"{type(error).__name__} {error}"


def client_of(url: str, **options: Any) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        **{
            "socket_timeout": TIMEOUT,
            "retry": None,
            "decode_responses": True,
            "protocol": 2,
            **options,
        },
    )
