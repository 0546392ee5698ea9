"""What a client refuses before anything is sent, and the times it understands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from workflow_worker import Client, InvalidPayload, Unavailable
from workflow_worker.client import times
from workflow_worker.client.messages import Draft

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a server that is not there: to try is to fail."""
    with Client("unix:///nowhere/redis.sock") as client:
        yield client


def test_what_is_fine_is_sent(client: Client) -> None:
    with pytest.raises(Unavailable):
        client.publish("a", {"b": 1}, delay=1.5, keep=True, headers={"c": "d"})


@pytest.mark.parametrize("value", ["1", True, math.nan, math.inf, -math.inf, [1]])
def test_what_is_no_duration_is_refused(client: Client, value: Any) -> None:
    with pytest.raises(ValueError, match="delay must be"):
        client.publish("a", delay=value)
    with pytest.raises(ValueError, match="timeout must be"):
        client.publish("a", wait=True, timeout=value)
    with pytest.raises(ValueError, match="timeout must be"):
        client.wait("0-e.w", timeout=value)


@pytest.mark.parametrize("value", [1e300, 10**400, timedelta.max])
def test_a_delay_beyond_a_century_is_refused(client: Client, value: Any) -> None:
    with pytest.raises(ValueError, match="at most"):
        client.publish("a", delay=value)


@pytest.mark.parametrize("value", [NOON.replace(tzinfo=None), NOON.date(), 0, "now"])
def test_what_is_no_instant_is_refused(client: Client, value: Any) -> None:
    with pytest.raises(ValueError, match="at must be"):
        client.publish("a", at=value)


def test_delay_and_time_exclude_each_other(client: Client) -> None:
    with pytest.raises(ValueError, match="not both"):
        client.publish("a", delay=0, at=NOON)


def test_a_timeout_without_a_wait_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="wait=True"):
        client.publish("a", timeout=1)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "event", [{}, {"payload": {}}, {"name": "a", "wait": True}, {"name": "a", 1: 2}]
)
def test_an_event_is_made_of_what_events_have(
    client: Client, event: dict[str, Any]
) -> None:
    with pytest.raises(
        InvalidPayload, match="payload, key, id, headers, delay, at and"
    ):
        client.publish_many([{"name": "fine"}, event])


@pytest.mark.parametrize("execution_id", ["", None, 7, "\ud800"])
def test_what_is_no_id_is_refused(client: Client, execution_id: Any) -> None:
    for act in (client.execution, client.cancel, client.retry, client.wait):
        with pytest.raises(InvalidPayload, match="an execution's id"):
            act(execution_id)
    with pytest.raises(InvalidPayload, match="an execution's id"):
        client.signal(execution_id, "yes")


def test_a_signal_carries_the_id_of_its_execution() -> None:
    message = Draft("yes", {"n": 1}, execution_id="0-e.w").message(100)
    values = message.values()
    assert values[values.index("execution_id") + 1] == "0-e.w"
    assert b'{"n":1}' in values


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (0, 0),
        (-3, 0),
        (1, 1000),
        (0.0001, 1),
        (1.001, 1001),
        (4.35, 4350),
        (timedelta(days=1), 86_400_000),
        (timedelta(days=-1), 0),
        (timedelta(microseconds=1), 1),
    ],
)
def test_a_delay_becomes_milliseconds(value: Any, ms: int) -> None:
    assert times.delay_ms(value) == ms


@pytest.mark.parametrize(
    ("at", "ms"),
    [
        (NOON, 1_767_268_800_000),
        (NOON.astimezone(timezone(timedelta(hours=5))), 1_767_268_800_000),
        (NOON + timedelta(microseconds=1), 1_767_268_800_001),
        (datetime(1969, 1, 1, tzinfo=UTC), 0),
        (datetime.max.replace(tzinfo=UTC), 253_402_300_800_000),
    ],
)
def test_an_instant_becomes_milliseconds(at: datetime, ms: int) -> None:
    assert times.at_ms(at) == ms
