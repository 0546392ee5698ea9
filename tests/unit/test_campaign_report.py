"""The tables of the docs say what the last long run of the campaign found."""

from __future__ import annotations

import json

from tests.chaos.campaign import report
from tests.chaos.campaign.episode import Result
from tests.chaos.campaign.plan import Plan

GOOD = Result(Plan(1, "loopback", 50_000, 2), 50_004, {"kill-worker": 2}, 61.25)
STUCK = Result(Plan(2, "links", 50_000, 1), 50_000, {"cut": 1}, 90.0, (), {"timers": 3})


def test_the_page_is_as_written_from_the_report() -> None:
    page = report.PAGE.read_text("utf-8")
    found = json.loads(report.FILE.read_text("utf-8"))
    assert page == report.written(page, found), "run make chaos"


def test_a_report_adds_up_its_episodes() -> None:
    found = report.summary([GOOD, STUCK])
    assert (found["events"], found["faults"]) == (100_004, 3)
    assert found["by_fault"] == {"cut": 1, "kill-worker": 2}
    assert [one["verdict"] for one in found["episodes"]] == [
        "no violation",
        "3 times timers",
    ]


def test_a_page_is_written_anew_between_its_marks_alone() -> None:
    begin, end = report.marks("Table of episodes")
    rest = "".join(
        "".join(report.marks(name))
        for name in report.TABLES
        if name != "Table of episodes"
    )
    page = f"before\n{begin}stale\n{end}after\n{rest}"
    written = report.written(page, report.summary([GOOD]))
    assert written.startswith(f"before\n{begin}\n50,004 events and 2 faults in 1 ")
    assert "stale" not in written
    assert f"{end}after\n" in written
