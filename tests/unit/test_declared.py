"""What is declared about errors: policies, limits, rules; and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from workflow_worker import App, Context, DefinitionError, ErrorCategory, RetryPolicy

NOT_COUNTS = [-1, True, False, 1.0, "3"]
NOT_DURATIONS = [0, -1, True, "1h", float("nan"), float("inf"), timedelta(0)]


class ShelfError(LookupError):
    pass


class EmptyError(ShelfError):
    pass


@pytest.fixture
def app() -> App:
    return App("shop")


def call() -> None: ...


def flow(ctx: Context) -> None: ...


def test_a_policy_says_nothing_by_default() -> None:
    found = RetryPolicy()
    assert (found.max_retries, found.base, found.maximum) == (None, None, None)
    assert (found.jitter, found.retry_on, found.give_up_on) == (True, (), ())


def test_a_policy_takes_one_class_or_several() -> None:
    one: Any = ShelfError
    several: Any = [ShelfError, TimeoutError]
    found = RetryPolicy(retry_on=one, give_up_on=several)
    assert found.retry_on == (ShelfError,)
    assert found.give_up_on == (ShelfError, TimeoutError)
    assert hash(found) == hash(RetryPolicy(retry_on=one, give_up_on=several))


def test_a_policys_times_are_seconds_or_timedeltas() -> None:
    policy = RetryPolicy(base=timedelta(seconds=2), maximum=2)
    assert (policy.base, policy.maximum) == (timedelta(seconds=2), 2)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"max_retries": given} for given in NOT_COUNTS),
        *({"base": given} for given in NOT_DURATIONS),
        *({"maximum": given} for given in NOT_DURATIONS),
        {"base": 3, "maximum": 2},
        {"base": timedelta(minutes=1), "maximum": 59},
        {"retry_on": ShelfError("x")},
        {"retry_on": (ShelfError, int)},
        {"give_up_on": "ShelfError"},
        {"give_up_on": None},
    ],
    ids=str,
)
def test_a_policy_that_cannot_work_is_refused_where_it_is_made(
    wrong: dict[str, Any],
) -> None:
    with pytest.raises(DefinitionError, match=f"RetryPolicy .*{next(iter(wrong))}"):
        RetryPolicy(**wrong)


def test_an_action_has_no_limit_and_no_policy_unless_it_is_told(app: App) -> None:
    action = app.action(call)
    assert (action.timeout_ms, action.retry) == (None, None)


def test_what_an_action_is_told_is_kept(app: App) -> None:
    policy = RetryPolicy(base=0.5, give_up_on=(ShelfError,))
    plain = app.action(name="a", timeout=1.5, retry=policy)(call)
    assert (plain.timeout_ms, plain.retry) == (1500, policy)
    for_long = app.action(name="b", timeout=timedelta(hours=1))(call)
    assert (for_long.timeout_ms, for_long.retry) == (3_600_000, None)


def test_max_retries_of_an_action_become_part_of_its_policy(app: App) -> None:
    alone = app.action(name="a", max_retries=0)(call)
    assert alone.retry == RetryPolicy(0)
    policy = RetryPolicy(base=0.5, give_up_on=(ShelfError,))
    both = app.action(name="b", max_retries=5, retry=policy)(call)
    assert both.retry == RetryPolicy(5, base=0.5, give_up_on=(ShelfError,))
    same = app.action(name="c", max_retries=5, retry=RetryPolicy(5))(call)
    assert same.retry == RetryPolicy(5)


def test_two_different_max_retries_of_an_action_are_refused(app: App) -> None:
    with pytest.raises(DefinitionError, match=r"call \(.*max_retries=5.* 4"):
        app.action(max_retries=5, retry=RetryPolicy(4))(call)
    assert not app.actions


@pytest.mark.parametrize(
    "wrong",
    [
        *({"max_retries": given} for given in NOT_COUNTS),
        *({"timeout": given} for given in NOT_DURATIONS),
        {"retry": 5},
        {"retry": RetryPolicy},
    ],
    ids=str,
)
def test_an_action_that_cannot_work_is_refused_by_name(
    app: App, wrong: dict[str, Any]
) -> None:
    with pytest.raises(DefinitionError, match=f"action call .*{next(iter(wrong))}="):
        app.action(**wrong)(call)
    assert not app.actions


def test_a_workflow_has_no_limits_unless_it_is_told(app: App) -> None:
    app.workflow(on="a")(flow)
    found = app.workflows["flow"]
    assert (found.timeout_ms, found.max_retries) == (None, None)


def test_what_a_workflow_is_told_is_kept(app: App) -> None:
    app.workflow(on="a", timeout=timedelta(days=2), max_retries=0)(flow)
    found = app.workflows["flow"]
    assert (found.timeout_ms, found.max_retries) == (172_800_000, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"max_retries": given} for given in NOT_COUNTS),
        *({"timeout": given} for given in NOT_DURATIONS),
    ],
    ids=str,
)
def test_a_workflow_that_cannot_work_is_refused_by_name(
    app: App, wrong: dict[str, Any]
) -> None:
    with pytest.raises(DefinitionError, match=f"workflow flow .*{next(iter(wrong))}="):
        app.workflow(on="a", **wrong)(flow)
    assert not app.workflows


def test_an_app_keeps_what_exceptions_ask_for(app: App) -> None:
    app.classify(ShelfError, ErrorCategory.TRANSIENT)
    app.classify(EmptyError, "permanent")
    assert app.error_rules == {
        ShelfError: ErrorCategory.TRANSIENT,
        EmptyError: ErrorCategory.PERMANENT,
    }
    assert isinstance(app.error_rules[EmptyError], ErrorCategory)


def test_what_an_app_says_twice_it_says_once(app: App) -> None:
    app.classify(ShelfError, ErrorCategory.TRANSIENT)
    app.classify(ShelfError, ErrorCategory.TRANSIENT)
    assert app.error_rules == {ShelfError: ErrorCategory.TRANSIENT}


def test_two_categories_for_one_class_are_refused_and_both_are_named(app: App) -> None:
    app.classify(ShelfError, ErrorCategory.TRANSIENT)
    with pytest.raises(DefinitionError, match=r"ShelfError.*permanent.*transient"):
        app.classify(ShelfError, ErrorCategory.PERMANENT)
    assert app.error_rules == {ShelfError: ErrorCategory.TRANSIENT}


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (ShelfError("x"), ErrorCategory.PERMANENT),
        (int, ErrorCategory.PERMANENT),
        ("ShelfError", ErrorCategory.PERMANENT),
        (ShelfError, "fatal"),
        (ShelfError, None),
        (ShelfError, []),
    ],
    ids=str,
)
def test_only_exception_classes_have_categories(
    app: App, error: Any, category: Any
) -> None:
    with pytest.raises(DefinitionError, match=r"app\.classify"):
        app.classify(error, category)
    assert not app.error_rules


def test_an_included_apps_rules_are_taken_over_before_and_after(app: App) -> None:
    part = App("part")
    part.classify(ShelfError, ErrorCategory.TRANSIENT)
    app.include(part)
    part.classify(EmptyError, ErrorCategory.PERMANENT)
    assert app.error_rules == part.error_rules
    assert len(app.error_rules) == 2


def test_an_included_app_that_says_otherwise_is_refused_whole(app: App) -> None:
    part = App("part")
    app.classify(ShelfError, ErrorCategory.PERMANENT)
    part.classify(ShelfError, ErrorCategory.TRANSIENT)
    part.action(call)
    part.workflow(on="a")(flow)
    with pytest.raises(DefinitionError, match=r"ShelfError.*transient.*permanent"):
        app.include(part)
    assert not app.actions
    assert not app.workflows


def test_included_apps_may_agree(app: App) -> None:
    parts = App("one"), App("two")
    for part in parts:
        part.classify(ShelfError, ErrorCategory.PERMANENT)
        app.include(part)
    assert app.error_rules == {ShelfError: ErrorCategory.PERMANENT}


def test_rules_are_read_not_changed_through_the_app(app: App) -> None:
    rules: Any = app.error_rules
    with pytest.raises(TypeError):
        rules[ShelfError] = ErrorCategory.PERMANENT
