"""What an error asks for: every default rule, and what goes before it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import psycopg.errors
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.unit.raised import CASES, Case
from tests.unit.raised.case import P, R, T, alike
from tests.unit.raised.databases import wrapped
from tests.unit.raised.odd import HostileHeaders, OddError, Response, verdict
from workflow_worker import (
    ActionFailed,
    ErrorCategory,
    ExecutionFailed,
    PermanentError,
    RecoverableError,
    RetryPolicy,
    TransientError,
)
from workflow_worker.runtime.classify import (
    LONGEST_RETRY_AFTER_MS,
    Classifier,
    Verdict,
)
from workflow_worker.runtime.error_rules import BY_NAME, TABLE


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_default_rule_holds_for_the_exceptions_as_they_are_raised(
    case: Case,
) -> None:
    found = verdict(case.error())
    assert (found.category, found.reason) == (case.category, found.reason)
    shown = f"{case.rule}: {BY_NAME[case.rule].reason}" if case.rule in BY_NAME else ""
    assert found.reason == shown or (not shown and found.reason.startswith(case.rule))


def test_no_rule_of_the_table_is_without_a_case() -> None:
    assert set(BY_NAME) - {case.rule for case in CASES} == set()


def test_no_class_stands_in_the_table_twice() -> None:
    names = [name for _, rules in TABLE for rule in rules for name in rule.names]
    assert sorted(names) == sorted(set(names))


def test_who_raises_a_category_is_believed() -> None:
    class MineError(PermanentError, TimeoutError):
        pass

    assert verdict(TransientError("x")) == Verdict(T, "TransientError was raised")
    assert verdict(PermanentError("x")) == Verdict(P, "PermanentError was raised")
    assert verdict(RecoverableError("x")) == Verdict(R, "RecoverableError was raised")
    assert verdict(MineError("x")).category == P


@pytest.mark.parametrize(
    ("after", "expected_ms"),
    [
        (2, 2000),
        (0.25, 250),
        (timedelta(minutes=1), 60_000),
        (10**400, LONGEST_RETRY_AFTER_MS),
        (float("inf"), None),
        (float("nan"), None),
        (-1, None),
        ("soon", None),
        (None, None),
    ],
)
def test_who_raises_recoverable_says_when(after: Any, expected_ms: int | None) -> None:
    found = verdict(RecoverableError("x", retry_after=after))
    assert (found.category, found.retry_after_ms) == (R, expected_ms)


@pytest.mark.parametrize("category", ErrorCategory)
def test_a_failed_action_or_child_is_what_it_was_judged_to_be(
    category: ErrorCategory,
) -> None:
    action = ActionFailed("charge", "ValueError", "x", category, 1)
    child = ExecutionFailed("1-0.x", "failed", "ValueError", "x", category)
    policy = RetryPolicy(retry_on=Exception, give_up_on=())
    for error in (action, child):
        expected = Verdict(category, "judged when it happened")
        assert Classifier({Exception: T}).verdict(error, policy) == expected


class ShelfError(LookupError):
    pass


class EmptyError(ShelfError):
    pass


def test_a_policy_retries_what_would_be_permanent() -> None:
    policy = RetryPolicy(retry_on=(ShelfError,))
    expected = Verdict(R, f"retry_on {ShelfError.__module__}.ShelfError")
    assert verdict(EmptyError("x"), policy) == expected
    assert verdict(LookupError("x"), policy).category == P


def test_a_policy_leaves_as_it_is_what_would_be_retried_anyway() -> None:
    policy = RetryPolicy(retry_on=(Exception,))
    assert verdict(ConnectionResetError("x"), policy).category == T
    error = OddError(status=503, headers={"Retry-After": "3"})
    assert verdict(error, policy).retry_after_ms == 3000


def test_a_policy_gives_up_on_what_would_be_retried() -> None:
    policy = RetryPolicy(give_up_on=(ConnectionError,))
    expected = Verdict(P, "give_up_on ConnectionError")
    assert verdict(ConnectionResetError("x"), policy) == expected
    assert verdict(TimeoutError("x"), policy).category == R


def test_of_two_classes_of_a_policy_the_nearer_one_counts() -> None:
    assert (
        verdict(
            EmptyError(), RetryPolicy(retry_on=EmptyError, give_up_on=ShelfError)
        ).category
        == R
    )
    assert (
        verdict(
            EmptyError(), RetryPolicy(retry_on=ShelfError, give_up_on=EmptyError)
        ).category
        == P
    )


def test_a_policy_does_not_overrule_who_raises_a_category() -> None:
    policy = RetryPolicy(retry_on=PermanentError, give_up_on=TransientError)
    assert verdict(PermanentError("x"), policy).category == P
    assert verdict(TransientError("x"), policy).category == T


def test_a_policy_sees_the_drivers_error_that_sqlalchemy_wraps() -> None:
    error = wrapped(psycopg.errors.SerializationFailure("x"))
    policy = RetryPolicy(give_up_on=psycopg.errors.SerializationFailure)
    assert verdict(error, policy).category == P


def test_an_apps_rule_goes_before_every_default() -> None:
    rules = Classifier({ShelfError: T, OddError: P, TimeoutError: T})
    expected = Verdict(T, f"app.classify({ShelfError.__module__}.ShelfError)")
    assert rules.verdict(EmptyError()) == expected
    assert rules.verdict(OddError(status=503)).category == P
    assert rules.verdict(TimeoutError()).category == T
    assert rules.verdict(LookupError()).category == P


def test_of_two_rules_of_an_app_the_nearer_class_counts() -> None:
    assert (
        Classifier({ShelfError: T, EmptyError: R}).verdict(EmptyError()).category == R
    )
    assert (
        Classifier({EmptyError: R, ShelfError: T}).verdict(ShelfError()).category == T
    )


def test_an_apps_rule_reaches_the_drivers_error_that_sqlalchemy_wraps() -> None:
    rules = Classifier({psycopg.errors.UniqueViolation: T})
    error = wrapped(psycopg.errors.UniqueViolation("x"))
    assert rules.verdict(error).category == T


def test_a_policy_goes_before_an_apps_rule() -> None:
    rules = Classifier({EmptyError: T})
    assert rules.verdict(EmptyError(), RetryPolicy(give_up_on=ShelfError)).category == P


@pytest.mark.parametrize("base", [Exception, BaseException])
def test_an_apps_rule_for_every_exception_is_for_those_without_another(
    base: type[BaseException],
) -> None:
    rules = Classifier({base: P})
    expected = Verdict(P, f"app.classify({base.__name__})")
    assert rules.verdict(RuntimeError("odd")) == expected
    assert rules.verdict(ConnectionResetError()).category == T
    assert rules.verdict(OddError(status=503)).category == R


def test_a_group_is_what_the_worst_of_it_is() -> None:
    late, reset, typed = TimeoutError(), ConnectionResetError(), TypeError("x")
    assert verdict(ExceptionGroup("x", [reset])).category == T
    assert verdict(ExceptionGroup("x", [reset, late])).category == R
    nested = ExceptionGroup("x", [late, ExceptionGroup("y", [reset, typed])])
    found = verdict(nested)
    assert found.category == P
    assert "TypeError: a mistake in the program" in found.reason


def test_a_group_is_left_alone_as_long_as_any_of_it_asks_for() -> None:
    errors = [RecoverableError("x", retry_after=after) for after in (3, 9, None)]
    assert verdict(ExceptionGroup("x", errors)).retry_after_ms == 9000


def test_what_an_exception_was_raised_from_does_not_count() -> None:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("odd") from TypeError("x")
    assert verdict(caught.value) == Verdict(R, "no rule for it")


class HostileError(TimeoutError):
    """Whatever is asked of it raises, but what it is."""

    def __getattribute__(self, name: str) -> object:
        if name == "__class__":
            return HostileError
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_exception_whose_attributes_raise_is_judged_by_its_class() -> None:
    assert verdict(HostileError()) == Verdict(R, "TimeoutError: a time limit")
    assert verdict(HostileError(), RetryPolicy(give_up_on=TimeoutError)).category == P
    assert Classifier({HostileError: P}).verdict(HostileError()).category == P


def test_an_error_that_wraps_itself_is_judged() -> None:
    error = alike("sqlalchemy.exc.OperationalError")("x")
    error.orig = error  # type: ignore[attr-defined]
    assert verdict(error).category == R


_values = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(),
    some.floats(),
    some.text(),
    some.binary(),
    some.lists(some.integers()),
    some.dictionaries(some.text(), some.text()),
    some.builds(HostileError),
    some.just(HostileHeaders()),
)
_names = some.sampled_from(
    [
        *("response", "status", "status_code", "code", "headers", "retry_after"),
        *("sqlstate", "pgcode", "sqlite_errorcode", "args"),
        *("orig", "connection_invalidated"),
    ]
)


@given(some.dictionaries(_names, _values), _values)
def test_whatever_an_exception_carries_it_gets_a_verdict(
    attributes: dict[str, object], status: object
) -> None:
    for kind in (
        OddError,
        alike("pymysql.err.Error", OddError),
        alike("sqlite3.Error", OddError),
    ):
        error = kind(**attributes)
        assert verdict(error).category in ErrorCategory
        error.response = Response(**{**attributes, "status": status})
        assert verdict(error).category in ErrorCategory
