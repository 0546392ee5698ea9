"""What known exceptions ask for, by their names: the table that the docs show.

By name, for no library is imported to classify its errors. A class that is not here is
as its nearest base is; so each library needs little more than its exceptions to its own
rules. Must hold nothing but the table.
"""

from __future__ import annotations

from typing import NamedTuple

from workflow_worker.errors import ErrorCategory

_T = ErrorCategory.TRANSIENT
_R = ErrorCategory.RECOVERABLE
_P = ErrorCategory.PERMANENT


class Rule(NamedTuple):
    """What some exception classes ask for.

    Attributes:
        category: of them.
        reason: why.
        names: qualified, builtins without their module.
    """

    category: ErrorCategory
    reason: str
    names: tuple[str, ...]


def _rule(category: ErrorCategory, reason: str, *names: str) -> Rule:
    return Rule(category, reason, names)


def _of(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names)


STANDARD = (
    _rule(
        _T,
        "a broken connection; a new one may do",
        *("ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError"),
        "http.client.IncompleteRead",
        "http.client.BadStatusLine",
    ),
    _rule(
        _T, "a call that was to be made again", "BlockingIOError", "InterruptedError"
    ),
    _rule(_R, "a time limit", "TimeoutError", "subprocess.TimeoutExpired"),
    _rule(_R, "nobody answers there", "ConnectionRefusedError", "ConnectionError"),
    _rule(_R, "a name that can't be resolved now", "socket.gaierror", "socket.herror"),
    _rule(_R, "a failure of the network or its protocol", "http.client.HTTPException"),
    _rule(_P, "a request that can't be made so", "http.client.InvalidURL"),
    _rule(_R, "a failure of TLS", "ssl.SSLError"),
    _rule(_P, "a certificate that is not trusted", "ssl.SSLCertVerificationError"),
    _rule(_R, "a failure of the system", "OSError"),
    _rule(
        _P,
        "a file that is not as it must be",
        *("FileNotFoundError", "FileExistsError", "PermissionError"),
        *("IsADirectoryError", "NotADirectoryError"),
    ),
    _rule(_R, "too little memory now", "MemoryError"),
    _rule(_R, "another program failed", "subprocess.CalledProcessError"),
    _rule(_R, "a queue that was full or empty", "queue.Full", "_queue.Empty"),
    _rule(
        _P,
        "a mistake in the program",
        *("TypeError", "AttributeError", "NameError", "SyntaxError", "ImportError"),
        *("NotImplementedError", "AssertionError", "RecursionError", "BufferError"),
        *("StopIteration", "StopAsyncIteration", "ReferenceError", "SystemError"),
    ),
    _rule(
        _P,
        "a value that can't be used",
        *("ValueError", "LookupError", "ArithmeticError", "EOFError"),
    ),
    _rule(_P, "a warning made an error", "Warning"),
    _rule(
        _P,
        "an end that was asked for",
        *("SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"),
    ),
)

OURS = (
    _rule(
        _R,
        "a time limit",
        *_of("workflow_worker.errors", "ActionTimeout", "EventTimeout"),
    ),
    _rule(_P, "the time of the workflow", "workflow_worker.errors.WorkflowTimeout"),
    _rule(
        _R,
        "a lock that others hold",
        *_of("workflow_worker.errors", "LockNotAcquired", "LockLost"),
    ),
    _rule(
        _R,
        "Redis is away or full",
        *_of("workflow_worker.errors", "Unavailable", "Rejected"),
    ),
    _rule(
        _P,
        "a mistake in the program, or a bad payload",
        "workflow_worker.errors.WorkflowWorkerError",
    ),
)

REDIS = (
    _rule(
        _T,
        "a conflict; the next try may win",
        *_of("redis.exceptions", "WatchError", "TryAgainError", "AskError"),
    ),
    _rule(
        _R,
        "Redis is away",
        *_of("redis.exceptions", "ConnectionError", "TimeoutError", "ClusterError"),
        *_of("redis.exceptions", "RedisClusterException", "RedisError"),
    ),
    _rule(
        _R,
        "Redis can't serve that now",
        *_of("redis.exceptions", "ReadOnlyError", "OutOfMemoryError"),
        *_of("redis.exceptions", "ClusterDownError", "NoScriptError"),
    ),
    _rule(_R, "a lock that others hold", "redis.exceptions.LockError"),
    _rule(
        _P,
        "a command that Redis refuses",
        *_of("redis.exceptions", "ResponseError", "DataError", "PubSubError"),
        *_of("redis.exceptions", "AuthenticationError", "AuthorizationError"),
        *_of("redis.exceptions", "CrossSlotTransactionError", "InvalidPipelineStack"),
    ),
)

HTTP = (
    _rule(
        _T,
        "a broken connection; a new one may do",
        *_of("httpx", "RemoteProtocolError", "ReadError", "WriteError", "CloseError"),
        *_of("requests.exceptions", "ChunkedEncodingError"),
        *_of("urllib3.exceptions", "ProtocolError", "IncompleteRead"),
        "aiohttp.client_exceptions.ServerDisconnectedError",
    ),
    _rule(
        _R,
        "a time limit",
        *_of("requests.exceptions", "Timeout", "ConnectTimeout"),
        "httpx.TimeoutException",
        "urllib3.exceptions.TimeoutError",
        "aiohttp.client_exceptions.ServerTimeoutError",
    ),
    _rule(
        _R,
        "a failure of the network or its protocol",
        *_of("requests.exceptions", "ConnectionError", "ContentDecodingError"),
        *_of("requests.exceptions", "RetryError"),
        *_of("httpx", "TransportError", "DecodingError"),
        "urllib3.exceptions.HTTPError",
        "urllib.error.URLError",
        "aiohttp.client_exceptions.ClientError",
    ),
    _rule(
        _P,
        "a request that can't be made so",
        *_of("requests.exceptions", "RequestException", "InvalidJSONError"),
        *_of("httpx", "HTTPError", "InvalidURL", "UnsupportedProtocol"),
        *_of("httpx", "LocalProtocolError", "StreamError", "CookieConflict"),
        *_of("urllib3.exceptions", "LocationValueError", "InvalidHeader"),
        *_of("aiohttp.client_exceptions", "InvalidURL", "NonHttpUrlClientError"),
    ),
)

DATABASES = (
    _rule(
        _R,
        "a database that is away or overloaded",
        *_of("psycopg", "OperationalError", "InterfaceError"),
        *_of("psycopg2", "OperationalError", "InterfaceError"),
        *_of("pymysql.err", "OperationalError", "InterfaceError"),
        *_of("MySQLdb", "OperationalError", "InterfaceError"),
        *_of("mysql.connector.errors", "OperationalError", "InterfaceError"),
        *_of("mysql.connector.errors", "PoolError", "ConnectionTimeoutError"),
        *_of("mysql.connector.errors", "ReadTimeoutError", "WriteTimeoutError"),
        *_of("sqlalchemy.exc", "OperationalError", "InterfaceError"),
        *_of("sqlalchemy.exc", "TimeoutError", "DisconnectionError"),
        "psycopg_pool.PoolTimeout",
    ),
    _rule(
        _P,
        "a statement that the database refuses",
        *_of("psycopg", "Error"),
        *_of("psycopg2", "Error"),
        *_of("pymysql.err", "Error"),
        *_of("MySQLdb", "Error"),
        *_of("mysql.connector.errors", "Error"),
        *_of("sqlalchemy.exc", "SQLAlchemyError"),
        *_of("sqlite3", "Error"),
    ),
)

TABLE: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    ("Standard library", STANDARD),
    ("workflow-worker", OURS),
    ("redis-py", REDIS),
    ("HTTP clients", HTTP),
    ("Databases", DATABASES),
)
"""By section of the docs."""

BY_NAME = {name: rule for _, rules in TABLE for rule in rules for name in rule.names}

SQLSTATES: tuple[tuple[str, ErrorCategory, str], ...] = (
    ("40001", _T, "serialization failure"),
    ("40P01", _T, "deadlock"),
    ("40", _T, "transaction rolled back"),
    ("55P03", _T, "lock not available"),
    ("08", _R, "connection failure"),
    ("53", _R, "insufficient resources"),
    ("57014", _R, "canceled by a time limit"),
    ("57", _R, "operator intervention"),
    ("58", _R, "system error"),
    ("25006", _R, "read-only: a failover"),
    ("HYT", _R, "a time limit"),
)
"""Beginnings of SQLSTATEs; every other one is permanent."""

SQLSTATE_UNSAID = "HY000"
"""What drivers for MySQL have where the server has no state for an error."""

MYSQL = {1205: "lock wait timeout", 1213: "deadlock"}
"""Numbers of MySQL's transient errors, the first argument of its drivers' errors."""

SQLITE = {5: "database is busy", 6: "table is locked", 10: "I/O error", 13: "disk full"}
"""Result codes of SQLite that a while heals."""

HTTP_RECOVERABLE = frozenset((408, 425, 429))
"""Below 500; other statuses there are permanent."""
HTTP_PERMANENT = frozenset((501, 505, 511))
"""From 500 on; other statuses there are recoverable."""
