"""How long a client may take to ask, and to take what it asked for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from waitress.adjustments import Adjustments

from workflow_worker.monitor.connections import Channel, Limits

LIMITS = Limits(connections=1, ask=10, read_on=20, read=60)


@pytest.fixture
def channel() -> Iterator[Channel]:
    ours, theirs = socket.socketpair()
    server = SimpleNamespace(limits=LIMITS, active_channels={})
    channel = Channel(server, ours, ("127.0.0.1", 1), Adjustments(), map={})
    # A whole number: with a fraction, what is added to it would be rounded.
    channel.begun = channel.since = 1000.0
    with theirs:
        yield channel
        channel.handle_close()


def overdue(channel: Channel, seconds: float) -> bool:
    """Whether it is, so many seconds after its begin."""
    found: bool = channel.overdue(channel.begun + seconds)  # type: ignore[attr-defined]
    return found


def test_a_request_has_its_time_from_the_begin(channel: Channel) -> None:
    assert not overdue(channel, 10)
    assert overdue(channel, 11)


def test_one_that_runs_may_take_as_long_as_it_takes(channel: Channel) -> None:
    channel.requests = ["one"]
    assert not overdue(channel, 1000)


def test_who_goes_on_reading_has_more_time(channel: Channel) -> None:
    for seconds, left in ((0, 900), (15, 800), (30, 700), (45, 600), (60, 500)):
        channel.total_outbufs_len = left
        assert not overdue(channel, seconds)
    channel.total_outbufs_len = 400
    assert overdue(channel, 61)


@pytest.mark.parametrize("requests", [[], ["one that waits for room"]])
def test_who_stops_reading_has_not(channel: Channel, requests: list[str]) -> None:
    channel.requests = requests
    channel.total_outbufs_len = 900
    assert not overdue(channel, 5)
    assert not overdue(channel, 25)
    assert overdue(channel, 26)


def test_whoever_has_read_all_may_ask_again(channel: Channel) -> None:
    channel.total_outbufs_len = 900
    assert not overdue(channel, 15)
    channel.total_outbufs_len = 0
    assert not overdue(channel, 20)
    assert not overdue(channel, 30)
    assert overdue(channel, 31)
