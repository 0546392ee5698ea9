"""``wfworker status``: what it says of a fleet, and how that fits a terminal."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from tests.unit.cli.commands import closed, run
from tests.unit.cli.fleets import fleet, instance, worker
from workflow_worker.cli.status_layout import Column, Table, cut, laid, shares
from workflow_worker.cli.status_report import MOST, as_text
from workflow_worker.client import Fleet, Running

PLACE = "redis://h/0, namespace wf"


def shown(what: Fleet, width: int | None = None) -> str:
    return as_text(what, PLACE, width)


def row_of(text: str, name: str) -> list[str]:
    """Return the cells behind the name of an instance."""
    [line] = [line for line in text.splitlines() if line.split()[1:2] == [name]]
    return line.split()[2:]


def test_nothing_running_is_said_with_the_place_that_was_looked_at() -> None:
    assert shown(fleet()).splitlines()[0] == f"no instance runs on {PLACE}"


def test_the_headline_counts_instances_and_workers_by_status() -> None:
    sick = instance(
        "b", status="degraded", worker_count=3, healthy_workers=2, degraded_workers=1
    )
    gone = instance("c", worker(), lost=True, silent_ms=12_000, events_per_second=7.0)
    well = instance("a", worker(), events_per_second=2.5)
    assert shown(fleet(well, sick, gone)).splitlines()[0] == (
        "3 instances: 1 healthy, 1 degraded, 1 lost; 4 workers: 3 healthy, 1 degraded; "
        "2.5 events/s, 0 active"
    )


def test_figures_tell_what_is_queued_and_for_how_long() -> None:
    text = shown(
        fleet(
            backlog=12,
            pending=5,
            oldest_waiting_ms=3_200,
            oldest_pending_ms=61_000,
            timers=4,
            next_timer_ms=-90_000,
            dead_letters=2,
            counters={"events_succeeded": 7, "events_failed": 1, "retries": 3},
            executions={"running": 1, "waiting": 4, "failed": 6},
        )
    )
    said = [" ".join(line.split()) for line in text.splitlines()]
    assert "queued 7, oldest 3.2s taken 5, oldest 1m01s" in said
    assert "timers 4, next overdue by 1m30s dead letters 2" in said
    assert "events 7 succeeded, 1 failed, 0 ignored, 0 duplicate" in said
    assert "executions 4 waiting, 6 failed" in said


def test_a_timer_that_is_not_due_yet_says_when_it_is() -> None:
    assert "timers      1, next in 1.5s" in shown(fleet(timers=1, next_timer_ms=1_500))


def test_each_instance_has_a_line() -> None:
    text = shown(
        fleet(
            instance(
                "i-1",
                worker(),
                events_per_second=41.1,
                events_processed=330,
                events_failed=2,
                restarts=1,
            )
        )
    )
    said = " ".join(row_of(text, "i-1"))
    assert said == ("healthy 1/1 41.1 0 330 2 1 1h00m shop:app 127.0.0.1:8090 99 1.0")


def test_a_lost_instance_says_for_how_long_it_is_silent_and_shows_no_worker() -> None:
    gone = instance("gone", worker(0, Running("e", "w")), lost=True, silent_ms=45_000)
    text = shown(fleet(gone))
    assert row_of(text, "gone")[0] == "lost"
    assert "silent for 45.0s" in text
    assert "WORKER " not in text
    assert "BUSY" not in text


def test_workers_that_are_not_well_come_first_with_their_reasons() -> None:
    sick = worker(2, status="unhealthy", pid=None, reasons=["dead: SIGKILL", "more"])
    dull = worker(1, status="degraded", reasons=["restarted 3 s ago"])
    lines = shown(fleet(instance("i", worker(0), dull, sick))).splitlines()
    [first] = [n for n, line in enumerate(lines) if line.startswith("WORKER ")]
    assert [line.split()[0] for line in lines[first + 1 : first + 4]] == [
        "1/2",
        "1/1",
        "1/0",
    ]
    assert lines[first + 1].endswith("dead: SIGKILL; more")


def test_reasons_that_are_cut_stand_below_in_full() -> None:
    reason = "crash loop: died 6 times in a row, last by SIGSEGV; next try in 3 s"
    sick = worker(0, status="unhealthy", reasons=[reason, "dead: SIGSEGV"])
    parts = shown(fleet(instance("i", sick, worker(1))), 80).split("\n\n")
    assert parts[-1].splitlines() == [
        "WORKER  WHY",
        "   1/0  crash loop: died 6 times in a row, last by SIGSEGV; next try in 3 s;",
        "        dead: SIGSEGV",
    ]
    brief = worker(0, status="degraded", reasons=["starting"])
    assert "WHY" not in shown(fleet(instance("i", brief)), 80)


def test_what_is_busy_for_longest_comes_first_with_its_action() -> None:
    long = Running("0-e.w", "w", "charge", 60_000)
    text = shown(
        fleet(
            instance("a", worker(0, Running("0-f.w", "w", None, 5_000))),
            instance("b", worker(3, long), silent_ms=1_000),
        )
    )
    lines = [line.split() for line in text.splitlines()[-2:]]
    # What was said a second ago is a second older by now.
    assert lines == [
        ["1m01s", "2/3", "w", "charge", "0-e.w"],
        ["5.0s", "1/0", "w", "0-f.w"],
    ]


def test_many_rows_are_counted_instead_of_shown() -> None:
    many = instance("i", *(worker(slot) for slot in range(MOST + 50)))
    assert shown(fleet(many)).endswith("and 50 more")
    busy = instance("i", worker(0, Running("e", "w")), running_left_out=7)
    assert shown(fleet(busy)).endswith("and 7 more")


def test_a_terminal_is_not_moved_by_what_is_shown() -> None:
    text = shown(
        fleet(instance("\x1b[2J\n", worker(0, Running("e\r", "w\u202e", "a\t", 1))))
    )
    assert "\\x1b[2J\\n" in text
    assert not set(text) & set("\x1b\r\t\u202e")


@pytest.mark.parametrize("width", [30, 60, 80, 120])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("i" * 200, id="long"),
        pytest.param("実例" * 40, id="wide"),
        pytest.param("e\u0301" * 100, id="combining"),
        pytest.param("🦊" * 50, id="emoji"),
    ],
)
def test_no_table_is_wider_than_the_terminal(name: str, width: int) -> None:
    sick = worker(0, Running(name, name, name), status="degraded", reasons=[name])
    text = shown(fleet(instance(name, sick, reasons=[name])), width)
    tables = [part.splitlines() for part in text.split("\n\n")[2:]]
    assert [lines[0][:2] for lines in tables] == ["# ", "WO", "WO", "BU"]
    assert all(cell_len(line) <= width for lines in tables for line in lines)


def test_columns_of_wide_characters_are_aligned() -> None:
    rows = (("実例", "1"), ("plain", "2"))
    lines = laid(Table((Column("A"), Column("B")), rows), None).lines
    assert {cell_len(cells[0]) for cells in lines} == {5}


def test_the_least_important_columns_go_first_and_empty_ones_always() -> None:
    columns = (Column("NAME"), Column("LESS", 1), Column("LEAST", 2), Column("NONE"))
    table = Table(columns, (("name", "less", "least", ""),))
    assert laid(table, None).headings == ("NAME", "LESS", "LEAST")
    assert laid(table, 15).headings == ("NAME", "LESS")
    assert laid(table, 5).headings == ("NAME",)


def test_a_name_is_cut_in_its_middle_where_both_ends_matter() -> None:
    table = Table((Column("N", least=9, ends=True),), (("orders-7d9f-2f79",),))
    assert laid(table, 9).lines[1] == ("ord...f79",)


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [
        ([3, 3, 3], 9, [3, 3, 3]),
        ([1, 9, 9], 9, [1, 4, 4]),
        ([9, 9], 5, [3, 2]),
        ([2, 2], -1, [0, 0]),
        ([], 5, []),
    ],
)
def test_lines_are_shared_fairly(
    wanted: list[int], room: int, given: list[int]
) -> None:
    assert shares(wanted, room) == given


def test_text_is_cut_to_cells() -> None:
    assert cut("実例実例", 7) == "実例..."
    assert cut("abc", 3) == "abc"
    assert cut("abcdef", 2) == ".."


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_no_redis_is_status_3_and_one_line(more: list[str]) -> None:
    result = run("status", *more, "--redis-url", f"redis://127.0.0.1:{closed()}")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("wfworker: Redis can't be reached")
    assert result.stderr.count("\n") == 1
