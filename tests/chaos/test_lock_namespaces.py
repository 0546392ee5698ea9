"""Two instances on hosts of their own count under one lock; one is paused past its ttl.

The hosts are network namespaces: the server's, and one for each instance, with a cable
to the server's.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.chaos.campaign.hosts import HostedServer, Hosts, can_make_hosts
from tests.guarded import Counter, Counting
from tests.servers import wait_until

TTL = 0.5
PAUSES = 3
NAMES = ("east", "west")


pytestmark = pytest.mark.skipif(
    not can_make_hosts(), reason="network namespaces need root and the command ip"
)


@pytest.fixture(scope="module")
def server() -> Iterator[HostedServer]:
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="wf") as folder, Hosts(*NAMES) as hosts:
        running = HostedServer(hosts, Path(folder), "--appendonly", "no")
        running.start()
        try:
            yield running
        finally:
            running.stop(signal.SIGKILL)


@pytest.fixture
def network(server: HostedServer) -> Iterator[redis.Redis]:
    """The database, empty."""
    with server.client() as client:
        client.flushall()
        yield client


def count_with_pauses(server: HostedServer, counter: Counter) -> list[Counting]:
    """Have both count, and one of them stand still inside for longer than the ttl."""
    east, west = (
        Counting(counter, server.url_from(name), name, TTL, server.hosts.within(name))
        for name in NAMES
    )
    both = [east, west]
    try:
        for each in both:
            wait_until(lambda each=each: each.told("accepted") > 2)
        for pauses in range(1, PAUSES + 1):
            east.stop_inside()
            before = west.told("accepted")
            wait_until(lambda before=before: west.told("accepted") > before + 2)
            east.go_on()
            wait_until(lambda pauses=pauses: east.told("lost") >= pauses)
    finally:
        counter.db.set("stop", 1)
        for each in both:
            each.end()
    return both


def test_the_protected_counter_is_right(
    server: HostedServer, network: redis.Redis
) -> None:
    counter = Counter(network)
    east, west = count_with_pauses(server, counter)
    assert east.told("refused") >= PAUSES
    assert counter.value == east.told("accepted") + west.told("accepted")
    accepted = counter.accepted()
    assert accepted == sorted(set(accepted))
    assert len(accepted) == counter.value


def test_a_counter_that_compares_no_tokens_is_wrong(
    server: HostedServer, network: redis.Redis
) -> None:
    counter = Counter(network, guarded=False)
    east, west = count_with_pauses(server, counter)
    assert counter.value < east.told("accepted") + west.told("accepted")
    assert counter.accepted() != sorted(counter.accepted())
