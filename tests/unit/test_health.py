"""Health: one test a rule, then how workers add up to a service."""

from __future__ import annotations

import dataclasses
import math

import pytest

from workflow_worker.board import (
    Counters,
    LaneView,
    Restart,
    ServiceView,
    SlotView,
    State,
)
from workflow_worker.health import (
    Status,
    ending,
    judge,
    judge_worker,
    ready,
    redis_state,
)

NOW = 1000.0
HANG_MS = 60_000
HEALTHY = SlotView(
    index=0,
    serving=True,
    pid=41,
    generation=1,
    state=State.READY,
    forked_at=500.0,
    restarted_at=0.0,
    ready_at=501.0,
    heartbeat=999.5,
    started_ms=1,
    redis_down_since=0.0,
    consumer="c",
    streak=0,
    retry_at=0.0,
    exit_status=0,
    counters=Counters(),
    lanes=(),
)
DEAD = {"pid": 0, "state": State.FREE, "exit_status": -9, "retry_at": NOW}
LANE = LaneView(0, "7-0", 1, 900.0, "bill", "charge", "0-7-0.bill", 3, NOW - 2)
SERVICE = ServiceView(beat=NOW, replaced={}, stopping=False)


def worker(**changes: object) -> SlotView:
    return dataclasses.replace(HEALTHY, **changes)  # type: ignore[arg-type]


def service_of(*views: SlotView, stopping: bool = False) -> Status:
    service = ServiceView(beat=NOW, replaced={}, stopping=stopping)
    return judge(views, service, NOW, HANG_MS).verdict.status


def test_a_ready_worker_that_beats_is_healthy() -> None:
    verdict = judge_worker(HEALTHY, NOW, HANG_MS)
    assert (verdict.status, verdict.reasons) == (Status.HEALTHY, ())


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        (DEAD, Status.UNHEALTHY, "dead: SIGKILL"),
        ({**DEAD, "generation": 0}, Status.UNHEALTHY, "not started yet"),
        ({"heartbeat": 939.0}, Status.UNHEALTHY, "no heartbeat for 61 s"),
        (
            {"state": State.STARTING, "forked_at": 969.0},
            Status.UNHEALTHY,
            "not ready 31 s after its start",
        ),
        (
            {**DEAD, "streak": 3, "retry_at": 1004.0},
            Status.UNHEALTHY,
            "crash loop: died 3 times in a row, last by SIGKILL; next try in 4 s",
        ),
        (
            {"streak": 5, "exit_status": 1},
            Status.UNHEALTHY,
            "crash loop: died 5 times in a row, last by exit status 1",
        ),
        (
            {**DEAD, "retry_at": math.inf, "streak": 4},
            Status.UNHEALTHY,
            "could not start; waits for changed code or settings",
        ),
        (
            {"redis_down_since": 990.0},
            Status.DEGRADED,
            "Redis does not answer for 10 s",
        ),
        (
            {"flooded": "bill"},
            Status.DEGRADED,
            "most events of bill fail: their retries are held back",
        ),
        ({"heartbeat": 979.0}, Status.DEGRADED, "no heartbeat for 21 s"),
        (
            {"lanes": (LANE,)},
            Status.DEGRADED,
            "action charge is 2 s over its limit, in 0-7-0.bill",
        ),
        (
            {"lanes": (dataclasses.replace(LANE, ordinal=0, action=""),)},
            Status.DEGRADED,
            "workflow bill is 2 s over its limit, in 0-7-0.bill",
        ),
        (
            {"recent_runs": 10, "recent_errors": 5},
            Status.DEGRADED,
            "5 of 10 runs failed in the last 5 minutes",
        ),
        (
            {"saturated_since": 969.0},
            Status.DEGRADED,
            "all threads are busy for 31 s, and events wait",
        ),
        ({"restarted_at": 991.0}, Status.DEGRADED, "restarted 9 s ago"),
        (
            {"restarted_at": 997.0, "cause": Restart.DIED, "exit_status": -11},
            Status.DEGRADED,
            "restarted 3 s ago: it ended by SIGSEGV",
        ),
        (
            {"restarted_at": 997.0, "cause": Restart.HUNG, "exit_status": -9},
            Status.DEGRADED,
            "restarted 3 s ago: it hung",
        ),
        (
            {"restarted_at": 997.0, "cause": Restart.OVERDUE, "exit_status": -9},
            Status.DEGRADED,
            "restarted 3 s ago: something in it took longer than it may",
        ),
        (
            {"state": State.STARTING, "forked_at": 971.0},
            Status.DEGRADED,
            "starting",
        ),
        ({"state": State.DRAINING}, Status.DEGRADED, "draining"),
        ({"state": State.STOPPED}, Status.DEGRADED, "draining"),
    ],
)
def test_a_rule_that_applies_gives_status_and_reason(
    changes: dict[str, object], status: Status, reason: str
) -> None:
    verdict = judge_worker(worker(**changes), NOW, HANG_MS)
    assert verdict.status is status
    assert verdict.reasons[0] == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"heartbeat": 980.5},
        {"lanes": (dataclasses.replace(LANE, deadline=NOW + 0.1),)},
        {"lanes": (dataclasses.replace(LANE, deadline=0.0),)},
        {"recent_runs": 9, "recent_errors": 9},
        {"recent_runs": 100, "recent_errors": 49},
        {"saturated_since": 971.0},
        {"saturated_since": 0.0},
        {"redis_down_since": 999.0},
        {"restarted_at": 989.0},
        {"streak": 2},
    ],
)
def test_just_below_its_limit_no_rule_applies(changes: dict[str, object]) -> None:
    assert judge_worker(worker(**changes), NOW, HANG_MS).status is Status.HEALTHY


def test_silence_while_the_app_is_imported_is_no_reason() -> None:
    view = worker(state=State.STARTING, forked_at=971.0, heartbeat=971.0)
    assert judge_worker(view, NOW, HANG_MS).reasons == ("starting",)


@pytest.mark.parametrize("cause", [Restart.EVENTS, Restart.MEMORY])
def test_a_planned_replacement_is_no_reason(cause: Restart) -> None:
    view = worker(restarted_at=999.0, cause=cause)
    assert judge_worker(view, NOW, HANG_MS).status is Status.HEALTHY


def test_a_hung_worker_is_told_once() -> None:
    verdict = judge_worker(worker(heartbeat=900.0), NOW, HANG_MS)
    assert verdict.reasons == ("no heartbeat for 100 s",)


def test_of_what_is_over_its_limit_the_longest_is_told() -> None:
    later = dataclasses.replace(
        LANE, lane=1, workflow="ship", deadline=NOW - 1, ordinal=0
    )
    verdict = judge_worker(worker(lanes=(later, LANE)), NOW, HANG_MS)
    assert verdict.reasons[0].startswith("action charge is 2 s")


def test_the_worst_reason_comes_first_and_none_is_lost() -> None:
    view = worker(state=State.DRAINING, redis_down_since=990.0, heartbeat=900.0)
    verdict = judge_worker(view, NOW, HANG_MS)
    assert verdict.status is Status.UNHEALTHY
    assert [reason.split()[0] for reason in verdict.reasons] == [
        "no",
        "Redis",
        "draining",
    ]


def test_a_service_is_healthy_when_all_workers_are() -> None:
    assert service_of(worker(), worker(index=1)) is Status.HEALTHY


@pytest.mark.parametrize("changes", [DEAD, {"state": State.DRAINING}])
def test_one_worker_that_is_not_healthy_degrades_the_service(
    changes: dict[str, object],
) -> None:
    assert service_of(worker(), worker(index=1, **changes)) is Status.DEGRADED


def test_a_service_is_unhealthy_when_no_worker_works() -> None:
    hung = worker(index=1, heartbeat=1.0)
    assert service_of(worker(**DEAD), hung) is Status.UNHEALTHY


def test_a_service_without_workers_is_unhealthy() -> None:
    assert service_of() is Status.UNHEALTHY


def test_redis_away_degrades_first_and_takes_the_service_down_later() -> None:
    assert service_of(worker(redis_down_since=941.0)) is Status.DEGRADED
    assert service_of(worker(redis_down_since=939.0)) is Status.UNHEALTHY


def test_redis_away_takes_the_service_down_whoever_else_is_dead() -> None:
    away = worker(redis_down_since=939.0)
    assert service_of(away, worker(index=1, **DEAD)) is Status.UNHEALTHY


def test_redis_away_for_one_worker_alone_does_not_take_the_service_down() -> None:
    away = worker(redis_down_since=100.0)
    assert service_of(away, worker(index=1)) is Status.DEGRADED


def test_a_service_that_stops_is_degraded() -> None:
    assert service_of(worker(), stopping=True) is Status.DEGRADED


def test_the_reasons_of_a_service_name_the_worker() -> None:
    health = judge([worker(), worker(index=7, **DEAD)], SERVICE, NOW, HANG_MS)
    assert health.verdict.reasons == ("worker 7: dead: SIGKILL",)


def test_workers_come_and_go_beside_the_seats_without_being_counted() -> None:
    views = [worker(), worker(index=1, serving=False, state=State.DRAINING)]
    health = judge(views, SERVICE, NOW, HANG_MS)
    assert health.verdict.status is Status.HEALTHY
    assert len(health.workers) == 2
    assert health.seats == health.count(Status.HEALTHY) == 1
    assert health.count(Status.DEGRADED) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.STARTING},
        {"state": State.DRAINING},
        {"redis_down_since": 999.9},
        {"heartbeat": 900.0},
    ],
)
def test_nobody_takes_events_while_no_worker_can(changes: dict[str, object]) -> None:
    assert ready([worker()], NOW, HANG_MS)
    assert not ready([worker(**changes)], NOW, HANG_MS)


def test_redis_is_unknown_while_nobody_asks_it() -> None:
    up, down = worker(), worker(redis_down_since=5.0)
    assert redis_state([up, down]) == "up"
    assert redis_state([down]) == "down"
    assert redis_state([worker(ready_at=0.0)]) == "unknown"


@pytest.mark.parametrize(
    ("exit_status", "words"),
    [(0, "exit status 0"), (3, "exit status 3"), (-11, "SIGSEGV"), (-99, "signal 99")],
)
def test_an_ending_is_said_in_words(exit_status: int, words: str) -> None:
    assert ending(exit_status) == words
