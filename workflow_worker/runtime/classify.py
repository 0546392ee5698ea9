"""Which category an exception belongs to, and why.

Owns the order in which that is decided, the most specific word first. Must never raise,
whatever the exception's attributes do, and never import a library for its errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

import msgspec

from workflow_worker.app.retry import RetryPolicy
from workflow_worker.errors import (
    ActionFailed,
    ErrorCategory,
    ExecutionFailed,
    PermanentError,
    RecoverableError,
    TransientError,
    qualified_name,
)
from workflow_worker.runtime.error_rules import (
    BY_NAME,
    HTTP_PERMANENT,
    HTTP_RECOVERABLE,
    MYSQL,
    SQLITE,
    SQLSTATE_UNSAID,
    SQLSTATES,
)

LONGEST_RETRY_AFTER_MS = 86_400_000
"""A day: nobody means to be asked again in a year."""

_UNKNOWN = (Exception, BaseException)
_WORST = (ErrorCategory.TRANSIENT, ErrorCategory.RECOVERABLE, ErrorCategory.PERMANENT)
_ERROR_STATUSES = range(400, 600)
_SQLSTATE_LENGTH = 5


class Verdict(msgspec.Struct, frozen=True):
    """What an error asks for.

    Attributes:
        category: of it.
        reason: why, for a person.
        retry_after_ms: how long the other side wants to be left alone; None if it did
            not say.
    """

    category: ErrorCategory
    reason: str
    retry_after_ms: int | None = None


class Classifier:
    """Judges exceptions by the rules of one App.

    The first of these that applies decides:

    1. ``ActionFailed`` and ``ExecutionFailed`` are what they were judged to be;
    2. ``TransientError``, ``RecoverableError`` and ``PermanentError`` say it by name;
    3. the action's policy, ``give_up_on`` and ``retry_on``;
    4. the App's own rules, ``app.classify``;
    5. the shape: a database's error number, an SQLSTATE, an HTTP status, or those of
       the driver's error that it wraps as ``orig``;
    6. the table of known classes, the nearest base first;
    7. anything else is recoverable, unless the App has a rule for ``Exception``.

    A group of exceptions is what the worst of them is. What an exception was raised
    from does not count.

    Args:
        rules: of the App.
    """

    __slots__ = ("_rules", "_unknown")

    def __init__(
        self,
        rules: Mapping[type[BaseException], ErrorCategory] = MappingProxyType({}),
    ) -> None:
        self._rules = {k: v for k, v in rules.items() if k not in _UNKNOWN}
        self._unknown = next((k for k in _UNKNOWN if k in rules), None)
        if self._unknown is not None:
            self._rules[self._unknown] = rules[self._unknown]

    def verdict(
        self, error: BaseException, policy: RetryPolicy | None = None, now_ms: int = 0
    ) -> Verdict:
        """Return what an error asks for.

        Args:
            error: the exception.
            policy: of the action that raised it.
            now_ms: wall clock in ms, for a Retry-After that names a date.
        """
        try:
            return self._verdict(error, policy, now_ms)
        except Exception:  # noqa: BLE001 - the user's attributes may do anything
            return Verdict(
                ErrorCategory.RECOVERABLE, "an error that can't be looked at"
            )

    def _verdict(
        self, error: BaseException, policy: RetryPolicy | None, now_ms: int
    ) -> Verdict:
        if isinstance(error, (ActionFailed, ExecutionFailed)):
            return Verdict(error.category, "judged when it happened")
        said = _said(error)
        if said is not None:
            return said
        judged = self._known(error, policy, now_ms) or self._otherwise()
        return judged if policy is None else _by_policy(error, policy, judged)

    def _known(
        self, error: BaseException, policy: RetryPolicy | None, now_ms: int
    ) -> Verdict | None:
        if isinstance(error, BaseExceptionGroup):
            return self._by_app(error) or self._worst(error, policy, now_ms)
        return (
            self._by_app(error)
            or self._by_shape(error, policy, now_ms)
            or _by_name(error)
        )

    def _by_app(self, error: BaseException) -> Verdict | None:
        for kind in type(error).__mro__:
            category = self._rules.get(kind)
            if category is not None and kind not in _UNKNOWN:
                return Verdict(category, f"app.classify({qualified_name(kind)})")
        return None

    def _by_shape(
        self, error: BaseException, policy: RetryPolicy | None, now_ms: int
    ) -> Verdict | None:
        # What SystemExit has as its code is no HTTP status.
        if not isinstance(error, Exception):
            return None
        try:
            return self._by_wrapped(error, policy, now_ms) or _by_values(error, now_ms)
        except Exception:  # noqa: BLE001 - the user's attributes may do anything
            return None

    def _by_wrapped(
        self, error: Exception, policy: RetryPolicy | None, now_ms: int
    ) -> Verdict | None:
        """Return what the driver's error says that SQLAlchemy's has as ``orig``."""
        wrapped = getattr(error, "orig", None)
        if not isinstance(wrapped, Exception):
            return None
        if getattr(error, "connection_invalidated", False) is True:
            reason = "a broken connection; a new one may do"
            return Verdict(ErrorCategory.TRANSIENT, reason)
        known = (
            self._by_app(wrapped) or _by_values(wrapped, now_ms) or _by_name(wrapped)
        )
        if known is None or policy is None:
            return known
        return _by_policy(wrapped, policy, known)

    def _worst(
        self, group: BaseExceptionGroup[Any], policy: RetryPolicy | None, now_ms: int
    ) -> Verdict:
        found = [self._verdict(each, policy, now_ms) for each in group.exceptions]
        worst = max(found, key=lambda verdict: _WORST.index(verdict.category))
        later = [v.retry_after_ms for v in found if v.retry_after_ms is not None]
        return Verdict(
            worst.category, f"in a group: {worst.reason}", max(later, default=None)
        )

    def _otherwise(self) -> Verdict:
        if self._unknown is not None:
            category = self._rules[self._unknown]
            return Verdict(category, f"app.classify({self._unknown.__name__})")
        return Verdict(ErrorCategory.RECOVERABLE, "no rule for it")


def _said(error: BaseException) -> Verdict | None:
    """Return what an exception says of itself by its class."""
    if isinstance(error, PermanentError):
        return Verdict(ErrorCategory.PERMANENT, "PermanentError was raised")
    if isinstance(error, TransientError):
        return Verdict(ErrorCategory.TRANSIENT, "TransientError was raised")
    if not isinstance(error, RecoverableError):
        return None
    after = error.retry_after
    seconds = after.total_seconds() if isinstance(after, timedelta) else after
    after_ms = _after_ms(seconds) if isinstance(seconds, (int, float)) else None
    reason = "RecoverableError was raised" + _shown(after_ms)
    return Verdict(ErrorCategory.RECOVERABLE, reason, after_ms)


def _by_policy(error: BaseException, policy: RetryPolicy, judged: Verdict) -> Verdict:
    for kind in type(error).__mro__:
        if kind in policy.give_up_on:
            reason = f"give_up_on {qualified_name(kind)}"
            return Verdict(ErrorCategory.PERMANENT, reason)
        if kind in policy.retry_on:
            if judged.category is not ErrorCategory.PERMANENT:
                return judged
            reason = f"retry_on {qualified_name(kind)}"
            return Verdict(ErrorCategory.RECOVERABLE, reason)
    return judged


def _by_name(error: BaseException) -> Verdict | None:
    for kind in type(error).__mro__:
        # What no rule is for is recoverable; Exception stands for all of that.
        if kind is Exception:
            return None
        name = qualified_name(kind)
        rule = BY_NAME.get(name)
        if rule is not None:
            return Verdict(rule.category, f"{name}: {rule.reason}")
    return None


def _by_values(error: Exception, now_ms: int) -> Verdict | None:
    """Return what an exception's attributes say; they are the user's and may raise."""
    return (
        _by_number(error)
        or _by_sqlstate(error)
        or next(_by_status(error, now_ms), None)
    )


def _by_sqlstate(error: BaseException) -> Verdict | None:
    for name in ("sqlstate", "pgcode"):
        state = getattr(error, name, None)
        if not isinstance(state, str) or len(state) != _SQLSTATE_LENGTH:
            continue
        if state == SQLSTATE_UNSAID:
            return None
        for beginning, category, reason in SQLSTATES:
            if state.startswith(beginning):
                return Verdict(category, f"SQLSTATE {state}: {reason}")
        reason = f"SQLSTATE {state}: the statement itself is refused"
        return Verdict(ErrorCategory.PERMANENT, reason)
    return None


def _by_number(error: BaseException) -> Verdict | None:
    module = type(error).__module__.partition(".")[0]
    if module == "sqlite3":
        code = getattr(error, "sqlite_errorcode", None)
        reason = SQLITE.get(code & 0xFF) if isinstance(code, int) else None
        if reason is not None:
            return Verdict(ErrorCategory.RECOVERABLE, f"SQLite: {reason}")
    elif module in {"pymysql", "MySQLdb", "mysql"} and error.args:
        number = error.args[0]
        reason = MYSQL.get(number) if isinstance(number, int) else None
        if reason is not None:
            return Verdict(ErrorCategory.TRANSIENT, f"MySQL error {number}: {reason}")
    return None


def _by_status(error: BaseException, now_ms: int) -> Iterator[Verdict]:
    """Yield what an HTTP status says, wherever the client keeps it."""
    response = getattr(error, "response", None)
    for holder, name in (
        *((response, name) for name in ("status_code", "status")),
        *((error, name) for name in ("status_code", "status", "code")),
    ):
        status = getattr(holder, name, None)
        if isinstance(status, int) and status in _ERROR_STATUSES:
            yield _of_status(int(status), (response, error), now_ms)


def _of_status(status: int, holders: tuple[object, ...], now_ms: int) -> Verdict:
    text = f"HTTP status {status}"
    own_fault = status < 500  # noqa: PLR2004 - what HTTP says
    if status in HTTP_PERMANENT or (own_fault and status not in HTTP_RECOVERABLE):
        return Verdict(ErrorCategory.PERMANENT, text)
    after_ms = _retry_after(holders, now_ms)
    return Verdict(ErrorCategory.RECOVERABLE, text + _shown(after_ms), after_ms)


def _retry_after(holders: tuple[object, ...], now_ms: int) -> int | None:
    """Read a Retry-After header: seconds, or a date; None for none that makes sense."""
    try:
        said = next(filter(None, map(_said_header, holders)), "")
        if said.isascii() and said.isdigit():
            return _after_ms(int(said))
        at = parsedate_to_datetime(said)
    except Exception:  # noqa: BLE001 - the user's attributes may do anything
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return _after_ms(at.timestamp() - now_ms / 1000)


def _said_header(holder: object) -> str:
    get = getattr(getattr(holder, "headers", None), "get", None)
    if get is None:
        return ""
    value = get("Retry-After")
    if value is None:
        value = get("retry-after", "")
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.strip()


def _after_ms(seconds: float) -> int | None:
    """Return ms, at most a day; None for what makes no sense."""
    if not 0 <= seconds < float("inf"):
        return None
    return min(round(seconds * 1000), LONGEST_RETRY_AFTER_MS)


def _shown(after_ms: int | None) -> str:
    return "" if after_ms is None else f", to be left alone for {after_ms / 1000:g} s"
