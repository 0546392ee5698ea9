"""rediss://: which options its URL may have, and what a failure of TLS is called."""

from __future__ import annotations

import ssl
from typing import cast

import pytest
from redis.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from workflow_worker import ConfigurationError
from workflow_worker.broker import tls
from workflow_worker.broker.connection import open_connection
from workflow_worker.settings import load


@pytest.mark.parametrize(
    "url",
    [
        "rediss://h:1/0?ssl_cert_reqs=bogus",
        "rediss://h:1/0?ssl_cert_reqs=",
        "rediss://h:1/0?ssl_check_hostname=maybe",
        "rediss://h:1/0?ssl_ca_certs=",
        "rediss://h:1/0?ssl_min_version=1",
        "rediss://h:1/0?ssl_cert_reqs=none&ssl_cert_reqs=required",
        "redis://h:1/0?ssl_ca_certs=/ca.pem",
        "redis://h:1/0?ssl_cert_reqs=required",
        "unix:///s?ssl_ca_certs=/ca.pem",
    ],
)
def test_tls_options_that_mean_nothing_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"REDIS_URL.*must be"):
        load({"redis_url": url})


@pytest.mark.parametrize("options", ["", "?ssl_ca_certs=/ca.pem", "?db=1"])
def test_certificates_and_names_are_checked_unless_the_url_says_otherwise(
    options: str,
) -> None:
    connection = cast("SSLConnection", open_connection(f"rediss://h:1/0{options}", 1))
    assert connection.cert_reqs is ssl.CERT_REQUIRED
    assert connection.check_hostname is True


def failed(inner: OSError, url: str = "rediss://h:1/0") -> str:
    """What is said where redis-py fails with its own error because of this one."""
    error = RedisConnectionError("Error 1 connecting to h:1.")
    error.__context__ = inner
    return tls.sentence(error, cast("SSLConnection", open_connection(url, 1)))


def test_a_server_without_tls_is_named() -> None:
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"
    assert failed(error) == "h:1 made no TLS connection (wrong version number)"


def test_a_certificate_whose_time_is_over_is_called_that() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = 10, "certificate has expired"
    said = "the certificate of h:1 is refused (certificate has expired)"
    assert failed(error) == said


def test_what_has_nothing_to_do_with_tls_is_left_as_it_is() -> None:
    assert failed(ConnectionRefusedError(111, "Connection refused")) == ""
    assert failed(FileNotFoundError(2, "No such file or directory")) == ""
