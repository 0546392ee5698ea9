"""What an HTTP status and its Retry-After say, wherever a client keeps them."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import Message
from email.utils import format_datetime

import pytest

from tests.unit.raised.case import P, R
from tests.unit.raised.clients import answered, answered_requests
from tests.unit.raised.odd import NOW, HostileHeaders, OddError, Response, verdict
from workflow_worker.runtime.classify import LONGEST_RETRY_AFTER_MS, Verdict


@pytest.mark.parametrize("status", range(400, 600))
def test_an_http_status_says_what_to_do(status: int) -> None:
    with pytest.raises(Exception, match=str(status)) as caught:
        answered_requests(status).raise_for_status()
    heals = status in {408, 425, 429} or status >= 500
    expected = R if heals and status not in {501, 505, 511} else P
    assert verdict(caught.value).category == expected
    assert verdict(caught.value).reason == f"HTTP status {status}"


@pytest.mark.parametrize(
    "error",
    [
        OddError(response=Response(status_code=404)),
        OddError(response=Response(status=404)),
        OddError(status_code=404),
        OddError(status=404),
        OddError(code=404),
    ],
    ids=lambda error: str(vars(error)),
)
def test_a_status_is_found_wherever_clients_keep_it(error: OddError) -> None:
    assert verdict(error) == Verdict(P, "HTTP status 404")


@pytest.mark.parametrize(
    "no_status", [200, 302, 399, 600, 1006, "404", 404.0, True, None]
)
def test_what_is_no_status_of_an_error_says_nothing(no_status: object) -> None:
    for name in ("status_code", "status", "code"):
        assert verdict(OddError(**{name: no_status})) == Verdict(R, "no rule for it")


@pytest.mark.parametrize(
    ("said", "expected_ms"),
    [
        ("30", 30_000),
        (" 0 ", 0),
        ("86400", LONGEST_RETRY_AFTER_MS),
        ("86401", LONGEST_RETRY_AFTER_MS),
        ("9" * 5000, None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90_000),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), LONGEST_RETRY_AFTER_MS),
        (format_datetime(NOW - timedelta(seconds=9), usegmt=True), None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_a_server_says_how_long_to_stay_away_in_seconds_or_by_a_date(
    said: str, expected_ms: int | None
) -> None:
    error = OddError(status=503, headers={"Retry-After": said})
    found = verdict(error)
    assert (found.category, found.retry_after_ms) == (R, expected_ms)
    assert found.reason.startswith("HTTP status 503")


@pytest.fixture
def _far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_east")
def test_a_date_without_a_time_zone_is_meant_in_utc() -> None:
    said = (NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S -0000")
    error = OddError(status=503, headers={"Retry-After": said})
    assert verdict(error).retry_after_ms == 90_000


def _headers() -> list[BaseException]:
    message = Message()
    message["retry-after"] = "7"
    return [
        urllib.error.HTTPError("http://x", 429, "x", message, None),
        _raised(answered(429, Retry_After="7").raise_for_status),
        _raised(answered_requests(429, Retry_After="7").raise_for_status),
        OddError(status=429, headers={"retry-after": b"7"}),
        OddError(response=Response(status=429, headers={"Retry-After": 7})),
    ]


def _raised(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever the client raises
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("error", _headers(), ids=lambda error: type(error).__module__)
def test_retry_after_is_read_from_every_clients_headers(error: BaseException) -> None:
    reason = "HTTP status 429, to be left alone for 7 s"
    assert verdict(error) == Verdict(R, reason, 7000)


def test_headers_that_raise_lose_nothing_but_themselves() -> None:
    error = OddError(status=404, headers=HostileHeaders())
    assert verdict(error).category == P
    found = verdict(OddError(status=503, headers=HostileHeaders()))
    assert (found.category, found.retry_after_ms) == (R, None)
