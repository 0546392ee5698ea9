"""What ``wfworker doctor`` thinks of services, work and executions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.doctor_samples import (
    NOW_MS,
    consumer,
    instance,
    lease,
    moment,
    opened,
)
from workflow_worker.broker.checkup_executions import Open
from workflow_worker.broker.checkup_work import Letter, PutBack
from workflow_worker.broker.instances import Instance
from workflow_worker.broker.keys import PROTOCOL
from workflow_worker.cli.doctor import executions as ongoing
from workflow_worker.cli.doctor import work

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("found", "severity", "text"),
    [
        ([], "note", "0 services"),
        ([instance()], "ok", "1 service running"),
        ([instance(), instance(name="b", version="2")], "note", "versions 1.0, 2"),
        ([instance(lost=True, silent_ms=30_000)], "warning", "svc on h1"),
        (
            [instance(status="unhealthy", reasons=("no worker works",))],
            "warning",
            "svc on h1 is unhealthy: no worker works",
        ),
    ],
)
def test_services_are_judged(found: list[Instance], severity: str, text: str) -> None:
    verdict = work.services(found)
    assert verdict.severity == severity
    assert text in verdict.found


def test_a_namespace_of_another_protocol_is_an_error() -> None:
    assert work.protocol(PROTOCOL, "wf").severity == "ok"
    assert work.protocol("", "wf").severity == "note"
    assert work.protocol("99", "wf").severity == "error"


@pytest.mark.parametrize(
    ("age_s", "grown", "living", "severity"),
    [
        (1, 5, 1, "ok"),
        (20, 0, 1, "note"),
        (20, 5, 1, "warning"),
        (90, 0, 1, "warning"),
        (1, 0, 0, "error"),
    ],
)
def test_a_backlog_is_judged_by_its_age_and_growth(
    age_s: int, grown: int, living: int, severity: str
) -> None:
    since = NOW_MS + 1000 - age_s * 1000
    first = moment(stream=10, leased=2)
    later = moment(
        server_ms=NOW_MS + 1000, stream=10 + grown, leased=2, waiting_since_ms=since
    )
    assert work.backlog(first, later, living).severity == severity


def test_nothing_that_waits_is_no_backlog_whoever_runs() -> None:
    assert work.backlog(moment(), moment(stream=3, leased=3), 0).severity == "ok"


@pytest.mark.parametrize(
    ("idle_ms", "living", "severity"),
    [(40_000, 1, "note"), (100_000, 1, "error"), (40_000, 0, "warning")],
)
def test_leases_that_nobody_takes_over_are_an_error(
    idle_ms: int, living: int, severity: str
) -> None:
    found = work.silence([lease(idle_ms=idle_ms)], 30_000, living)
    assert found.severity == severity
    assert work.silence([], 30_000, living).severity == "ok"


@pytest.mark.parametrize(
    ("idle_ms", "services", "severity"),
    [
        (100, ["other"], "note"),
        (60_000, ["other"], "warning"),
        (100, [], "warning"),
        (60_000, ["svc"], "ok"),
    ],
)
def test_what_a_gone_worker_holds_is_told(
    idle_ms: int, services: list[str], severity: str
) -> None:
    living = [instance(name=name) for name in services]
    found = [consumer(pending=2, idle_ms=idle_ms), consumer("x.1.abc", 0, 10**9)]
    assert work.consumers(found, living, 30_000).severity == severity


def test_a_lost_service_is_not_one_that_runs() -> None:
    lost = [instance(lost=True)]
    found = work.consumers([consumer(pending=1)], lost, 30_000)
    assert found.severity == "warning"


def test_suspects_are_told_with_the_worst() -> None:
    found = [lease(deliveries=2), lease(entry="2-0", deliveries=4)]
    verdict = work.suspects(found, 5)
    assert verdict.severity == "warning"
    assert "1 event handed out" in verdict.found
    assert "2-0 4 times" in verdict.found
    assert work.suspects(found[:1], 5).severity == "ok"


def test_only_what_no_worker_had_counts_as_unknown() -> None:
    others = [PutBack("flood", NOW_MS, "w", ""), PutBack("drain", NOW_MS, "w", "")]
    assert work.unknown_work(others, [], NOW_MS).severity == "ok"
    stray = PutBack("unknown", NOW_MS - 120_000, "gone", "")
    verdict = work.unknown_work([*others, stray], ["asks"], NOW_MS)
    assert verdict.severity == "warning"
    assert "2 min ago" in verdict.found
    assert verdict.found.endswith("asks, gone")


@pytest.mark.parametrize(
    ("before", "now", "severity"), [(0, 0, "ok"), (7, 7, "note"), (7, 9, "warning")]
)
def test_events_that_nobody_wants_are_a_warning_while_they_come(
    before: int, now: int, severity: str
) -> None:
    first = moment(stats={"events_ignored": before})
    later = moment(stats={"events_ignored": now})
    assert work.unwanted(first, later).severity == severity


@pytest.mark.parametrize(
    ("overdue", "living", "severity"),
    [(0, 0, "ok"), (2, 1, "warning"), (2, 0, "error")],
)
def test_overdue_timers_are_told(overdue: int, living: int, severity: str) -> None:
    found = moment(timers=3, overdue=overdue, next_due_ms=NOW_MS - 90_000.0)
    assert work.timers(found, living).severity == severity


def test_dead_letters_want_a_person() -> None:
    newest = Letter("1-0", NOW_MS - 300_000, "fulfil", "shop.Empty")
    verdict = work.letters(3, newest, NOW_MS)
    assert verdict.severity == "warning"
    assert "the newest 5 min old (fulfil, shop.Empty)" in verdict.found
    assert work.letters(0, None, NOW_MS).severity == "ok"


def test_signals_without_their_execution_are_told() -> None:
    assert work.early(moment()).severity == "ok"
    assert work.early(moment(stats={"signals_expired": 3})).severity == "note"
    assert work.early(moment(early=5000)).severity == "warning"


@pytest.mark.parametrize(("started", "severity"), [(10, "ok"), (11, "warning")])
def test_books_that_do_not_add_up_are_told(started: int, severity: str) -> None:
    ended = {"executions_completed": 3, "executions_failed": 1}
    found = moment(
        stats={"executions_started": started, "executions_cancelled": 2, **ended},
        # What has ended is counted, not listed: it may be forgotten by now.
        statuses={"running": 1, "waiting": 2, "retrying": 1, "completed": 99},
    )
    assert work.books(found).severity == severity


# --- executions -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, ""),
        ({"due_ms": 1.0, "has_timer": True}, ""),
        ({"due_ms": 1.0}, ongoing.NO_TIMER),
        ({"awaits": ()}, ongoing.NOTHING),
        ({"awaits": (), "due_ms": 1.0, "has_timer": True}, ""),
        ({"has_come": True}, ongoing.UNHEARD),
        ({"lost_child": True}, ongoing.NO_CHILD),
        ({"lost_child": True, "due_ms": 1.0, "has_timer": True}, ""),
        ({"status": "running", "has_wake": True}, ""),
        ({"status": "running", "has_wake": False}, ongoing.NO_ENTRY),
        ({"status": "running", "has_wake": None}, ""),
        # What came while it waits for its next try is looked at then.
        (
            {"status": "retrying", "has_come": True, "due_ms": 1.0, "has_timer": True},
            "",
        ),
        ({"status": "retrying", "due_ms": 1.0}, ongoing.NO_TIMER),
        ({"status": "completed", "awaits": ("go",)}, ""),
    ],
)
def test_an_open_execution_has_a_wake_a_timer_or_a_wait(
    changed: dict[str, Any], why: str
) -> None:
    assert ongoing.why_stuck(opened(**changed)) == why


STUCK = opened(status="running", has_wake=False)


@pytest.mark.parametrize(
    "later",
    [
        [],  # it has ended
        [opened(status="running", has_wake=True)],
        [opened(status="running", has_wake=False, step="2")],
        [opened(status="retrying", due_ms=1.0)],
        [opened(status="running", has_wake=False, since_ms=NOW_MS + 1.0)],
    ],
)
def test_what_moved_between_two_looks_is_not_stuck(later: list[Open]) -> None:
    assert ongoing.stuck([STUCK], later, "{wf:0}:").severity == "ok"


def test_what_two_looks_agree_on_is_stuck() -> None:
    verdict = ongoing.stuck([STUCK, opened(id="other")], [STUCK], "{wf:0}:")
    assert verdict.severity == "error"
    assert verdict.found == f"1 execution: {STUCK.id} ({ongoing.NO_ENTRY})"
    command = f"redis-cli -u URL XADD '{{wf:0}}:events' '*' _wake {STUCK.id}"
    assert verdict.advice.endswith(command)


def test_a_stream_too_long_to_look_through_is_said() -> None:
    blind = opened(status="running", has_wake=None)
    verdict = ongoing.stuck([blind], [], "{wf:0}:")
    assert verdict.severity == "note"
    assert "1 not judged" in verdict.found


@pytest.mark.parametrize(
    ("changed", "command"),
    [
        ({"due_ms": 17e11}, "ZADD '{wf:0}:timers' 1700000000000 'w:it'\"'\"'s.w'"),
        ({"has_come": True}, "ZADD '{wf:0}:timers' 0 'w:it'\"'\"'s.w'"),
        ({"lost_child": True}, "wfworker executions cancel 'it'\"'\"'s.w'"),
    ],
)
def test_what_makes_it_go_on_can_be_pasted_into_a_shell(
    changed: dict[str, Any], command: str
) -> None:
    found = opened(id="it's.w", **changed)
    assert ongoing.revival(found, "{wf:0}:").endswith(command)


def test_only_long_waits_without_an_end_are_told() -> None:
    old = NOW_MS - 8.0 * DAY_MS
    timed = opened(since_ms=old, due_ms=NOW_MS + 1.0)
    assert ongoing.waits([opened(), timed], NOW_MS).severity == "ok"
    verdict = ongoing.waits([timed, opened(id="old", since_ms=old)], NOW_MS)
    assert verdict.severity == "note"
    assert verdict.found.endswith("up to 8 d: old")


@pytest.mark.parametrize(("items", "severity"), [(79, "ok"), (80, "warning")])
def test_inboxes_near_their_limit_are_told(items: int, severity: str) -> None:
    assert ongoing.inboxes([opened(inbox=items)], 100).severity == severity


@pytest.mark.parametrize(
    ("statuses", "severity"),
    [
        ({"completed": 1000}, "ok"),
        ({"completed": 1201}, "note"),
        ({"waiting": 200_000}, "note"),
        ({"failed": 1001}, "warning"),
    ],
)
def test_executions_that_pile_up_are_told(
    statuses: dict[str, int], severity: str
) -> None:
    found = moment(statuses=statuses).statuses
    assert ongoing.kept(found, 1000).severity == severity
