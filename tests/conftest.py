"""Servers for every test that needs one; a clean database each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import Server, binaries, server


def pytest_configure() -> None:
    if os.environ.get("CI") and len(binaries()) < 3:
        message = f"CI tests on three servers, this machine has {sorted(binaries())}"
        raise pytest.UsageError(message)


@pytest.fixture(scope="session", params=sorted(binaries()))
def any_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Each kind of server in turn; for what must hold on all of them."""
    with server(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server the product ships with; shared, emptied before each test."""
    with server("valkey-9", tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, to stop and kill."""
    with server("valkey-9", tmp_path) as running:
        yield running


@pytest.fixture
def db(valkey: Server) -> Iterator[redis.Redis]:
    with valkey.client() as client:
        client.flushall()
        yield client
