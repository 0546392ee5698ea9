"""Exceptions of redis-py and of HTTP clients.

Those that would take a network are made by their class: the real one where the library
is here, one of the same name where it is not.
"""

from __future__ import annotations

import io
import socket
import urllib.error
from collections.abc import Callable
from email.message import Message

import httpx
import redis
import redis._parsers
import redis.connection
import redis.exceptions
import requests
import requests.exceptions
import urllib3.exceptions
import urllib3.util

from tests.unit.raised.case import NOWHERE, Case, P, R, T, alike
from workflow_worker import ErrorCategory


def answered(status: int, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request("GET", f"http://{NOWHERE}/")
    return httpx.Response(status, headers=names, request=request)


def answered_requests(
    status: int, body: bytes = b"", **headers: str
) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = body
    response.headers.update({n.replace("_", "-"): v for n, v in headers.items()})
    return response


def _reply(text: str) -> object:
    return redis._parsers._RESP2Parser(1).parse_error(text)


def _two_cookies() -> object:
    jar = httpx.Cookies()
    jar.set("a", "1", domain="one.example")
    jar.set("a", "2", domain="two.example")
    return jar["a"]


def _silent(client: Callable[[str], object]) -> object:
    """Call a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return client(f"http://127.0.0.1:{server.getsockname()[1]}/")


def _redis(reply: str, category: ErrorCategory, rule: str) -> Case:
    return Case(reply, lambda: _reply(reply), category, f"redis.exceptions.{rule}")


def _redis_class(name: str, category: ErrorCategory, rule: str) -> Case:
    kind: Callable[[str], object] = getattr(redis.exceptions, name)
    return Case(name, lambda: kind("x"), category, f"redis.exceptions.{rule}")


REDIS = [
    Case(
        "Redis is away",
        lambda: redis.Redis(port=1, retry=None).ping(),
        R,
        "redis.exceptions.ConnectionError",
    ),
    Case(
        "no Redis type",
        lambda: redis.connection.Encoder("utf-8", "strict", False).encode({}),
        P,
        "redis.exceptions.DataError",
    ),
    _redis("LOADING Redis is loading", R, "ConnectionError"),
    _redis("READONLY You can't write against a replica", R, "ReadOnlyError"),
    _redis("OOM command not allowed", R, "OutOfMemoryError"),
    _redis("NOSCRIPT No matching script", R, "NoScriptError"),
    _redis("CLUSTERDOWN Hash slot not served", R, "ClusterDownError"),
    _redis("MASTERDOWN Link with MASTER is down", R, "ClusterDownError"),
    _redis("TRYAGAIN Multiple keys request", T, "TryAgainError"),
    _redis("ASK 1 127.0.0.1:6381", T, "AskError"),
    _redis("MOVED 1 127.0.0.1:6381", T, "AskError"),
    _redis("WRONGTYPE Operation against a key", P, "ResponseError"),
    _redis("EXECABORT Transaction discarded", P, "ResponseError"),
    _redis("NOPERM no permissions", P, "ResponseError"),
    _redis("CROSSSLOT Keys in request", P, "ResponseError"),
    _redis("WRONGPASS invalid username", P, "AuthenticationError"),
    _redis_class("TimeoutError", R, "TimeoutError"),
    _redis_class("MaxConnectionsError", R, "ConnectionError"),
    _redis_class("WatchError", T, "WatchError"),
    _redis_class("ClusterError", R, "ClusterError"),
    _redis_class("SlotNotCoveredError", R, "RedisClusterException"),
    _redis_class("InvalidResponse", R, "RedisError"),
    _redis_class("LockError", R, "LockError"),
    _redis_class("LockNotOwnedError", R, "LockError"),
    _redis_class("PubSubError", P, "PubSubError"),
    _redis_class("AuthorizationError", P, "AuthorizationError"),
    _redis_class("CrossSlotTransactionError", P, "CrossSlotTransactionError"),
    _redis_class("InvalidPipelineStack", P, "InvalidPipelineStack"),
]


def _requests(name: str, category: ErrorCategory, rule: str) -> Case:
    kind: Callable[[str], object] = getattr(requests.exceptions, name)
    return Case(name, lambda: kind("x"), category, f"requests.exceptions.{rule}")


def _httpx(name: str, category: ErrorCategory, rule: str) -> Case:
    kind: Callable[[str], object] = getattr(httpx, name)
    return Case(name, lambda: kind("x"), category, f"httpx.{rule}")


def _aiohttp(name: str, category: ErrorCategory, rule: str, *bases: str) -> Case:
    module = "aiohttp.client_exceptions."
    kind = alike(module + name, *(alike(module + base) for base in bases))
    return Case(f"aiohttp {name}", lambda: kind("x"), category, module + rule)


def _url_error(code: int) -> urllib.error.HTTPError:
    headers = Message()
    headers["Retry-After"] = "7"
    return urllib.error.HTTPError("http://x", code, "x", headers, io.BytesIO())


HTTP = [
    Case(
        "requests: nobody there",
        lambda: requests.get(f"http://{NOWHERE}", timeout=9),
        R,
        "requests.exceptions.ConnectionError",
    ),
    Case(
        "requests: silence",
        lambda: _silent(lambda url: requests.get(url, timeout=(9, 0.05))),
        R,
        "requests.exceptions.Timeout",
    ),
    Case(
        "requests: no scheme",
        lambda: requests.Request("GET", "shop").prepare(),
        P,
        "requests.exceptions.RequestException",
    ),
    Case(
        "requests: no JSON form",
        lambda: requests.Request("POST", "http://x", json=float("nan")).prepare(),
        P,
        "requests.exceptions.InvalidJSONError",
    ),
    Case(
        "requests: no JSON",
        lambda: answered_requests(200, b"{").json(),
        P,
        "requests.exceptions.InvalidJSONError",
    ),
    Case(
        "requests: 503",
        lambda: answered_requests(503, Retry_After="7").raise_for_status(),
        R,
        "HTTP status 503, to be left alone for 7 s",
    ),
    Case(
        "requests: 404",
        lambda: answered_requests(404).raise_for_status(),
        P,
        "HTTP status 404",
    ),
    _requests("ConnectTimeout", R, "ConnectTimeout"),
    _requests("ProxyError", R, "ConnectionError"),
    _requests("ChunkedEncodingError", T, "ChunkedEncodingError"),
    _requests("ContentDecodingError", R, "ContentDecodingError"),
    _requests("RetryError", R, "RetryError"),
    _requests("TooManyRedirects", P, "RequestException"),
    Case(
        "httpx: nobody there",
        lambda: httpx.get(f"http://{NOWHERE}", trust_env=False),
        R,
        "httpx.TransportError",
    ),
    Case(
        "httpx: silence",
        lambda: _silent(lambda url: httpx.get(url, timeout=0.05, trust_env=False)),
        R,
        "httpx.TimeoutException",
    ),
    Case(
        "httpx: no HTTP",
        lambda: httpx.get("ftp://x", trust_env=False),
        P,
        "httpx.UnsupportedProtocol",
    ),
    Case("httpx: no URL", lambda: httpx.URL("http://x:port"), P, "httpx.InvalidURL"),
    Case("httpx: two cookies", _two_cookies, P, "httpx.CookieConflict"),
    Case(
        "httpx: not read",
        lambda: httpx.Response(200, content=iter([b"x"])).content,
        P,
        "httpx.StreamError",
    ),
    Case(
        "httpx: not gzip",
        lambda: httpx.Response(
            200, headers={"Content-Encoding": "gzip"}, content=b"plain"
        ),
        R,
        "httpx.DecodingError",
    ),
    Case(
        "httpx: 429",
        lambda: answered(429, Retry_After="7").raise_for_status(),
        R,
        "HTTP status 429, to be left alone for 7 s",
    ),
    _httpx("RemoteProtocolError", T, "RemoteProtocolError"),
    _httpx("ReadError", T, "ReadError"),
    _httpx("WriteError", T, "WriteError"),
    _httpx("CloseError", T, "CloseError"),
    _httpx("PoolTimeout", R, "TimeoutException"),
    _httpx("LocalProtocolError", P, "LocalProtocolError"),
    _httpx("TooManyRedirects", P, "HTTPError"),
    Case(
        "urllib3: no URL",
        lambda: urllib3.util.parse_url("http://["),
        P,
        "urllib3.exceptions.LocationValueError",
    ),
    Case(
        "urllib3: retried",
        lambda: urllib3.exceptions.MaxRetryError(None, "/", None),
        R,
        "urllib3.exceptions.HTTPError",
    ),
    Case(
        "urllib3: broken",
        lambda: urllib3.exceptions.ProtocolError("x"),
        T,
        "urllib3.exceptions.ProtocolError",
    ),
    Case(
        "urllib3: half an answer",
        lambda: urllib3.exceptions.IncompleteRead(1, 9),
        T,
        "urllib3.exceptions.IncompleteRead",
    ),
    Case(
        "urllib3: late",
        lambda: urllib3.exceptions.ReadTimeoutError(None, "/", "x"),
        R,
        "urllib3.exceptions.TimeoutError",
    ),
    Case(
        "urllib3: header",
        lambda: urllib3.exceptions.InvalidHeader("x"),
        P,
        "urllib3.exceptions.InvalidHeader",
    ),
    Case("urllib", lambda: urllib.error.URLError("x"), R, "urllib.error.URLError"),
    Case(
        "urllib: 503", lambda: _url_error(503), R, "HTTP status 503, to be left alone"
    ),
    Case("urllib: 410", lambda: _url_error(410), P, "HTTP status 410"),
    _aiohttp("ServerDisconnectedError", T, "ServerDisconnectedError", "ClientError"),
    _aiohttp("ServerTimeoutError", R, "ServerTimeoutError", "ClientError"),
    _aiohttp("ClientPayloadError", R, "ClientError", "ClientError"),
    _aiohttp("InvalidURL", P, "InvalidURL", "ClientError"),
    _aiohttp("NonHttpUrlClientError", P, "NonHttpUrlClientError", "ClientError"),
]
