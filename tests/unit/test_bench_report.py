"""What the benchmark says: tables, verdict and pages, from its report alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "scripts" / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The modules of scripts/bench, which find each other on the path."""
    monkeypatch.syspath_prepend(str(BENCH))
    import findings
    import latencies
    import pages
    import plan
    import reports
    import roster
    import tables
    import targets
    import tracks

    return SimpleNamespace(
        findings=findings,
        latencies=latencies,
        pages=pages,
        plan=plan,
        reports=reports,
        roster=roster,
        tables=tables,
        targets=targets,
        tracks=tracks,
    )


CONTENDERS = {"ours": (True, False), "huey": (False, False), "bare-read": (False, True)}


def report(bench: SimpleNamespace, *runs: dict[str, Any]) -> Any:
    contenders = {
        name: {
            "label": name.capitalize(),
            "setting": "As advised.",
            "promise": "",
            "url": "",
            "requirements": [],
            "ours": ours,
            "floor": floor,
        }
        for name, (ours, floor) in CONTENDERS.items()
    }
    machine = {
        "processor": "Some CPU",
        "cores": 2,
        "memory_gib": 4.0,
        "kernel": "Linux 6",
        "python": "3.11",
        "redis_py": "8",
        "hiredis": "3",
        "server": "valkey 9",
    }
    made = [bench.reports.Run(round=1, **run) for run in runs]
    return bench.reports.Report("2026-11-26", 25.0, machine, contenders, made)


def noop(contender: str, rate: float, **more: float) -> dict[str, Any]:
    return {
        "workload": "noop",
        "contender": contender,
        "figures": {"rate": rate, "worker_us": 40.0, **more},
    }


def judged(bench: SimpleNamespace, made: Any, what: str) -> Any:
    [found] = [each for each in bench.targets.targets(made) if each.what == what]
    return found


def row(text: str, label: str) -> list[str]:
    """The other cells of the first row that begins with a label."""
    lines = text.split(f"   * - {label}\n")[1].splitlines()
    cells = takewhile(lambda line: line.startswith("     - "), lines)
    return [cell.removeprefix("     - ") for cell in cells]


def test_pages_say_what_the_last_report_says(bench: SimpleNamespace) -> None:
    last = bench.reports.read(bench.pages.REPORT)
    for part in bench.pages.PARTS:
        page = part.page.read_text("utf-8")
        assert page == part.written(page, last), (
            "run .venv/bin/python scripts/bench --render"
        )


def test_a_written_report_is_read_back_as_it_was(
    bench: SimpleNamespace, tmp_path: Path
) -> None:
    failed = {"workload": "io", "contender": "huey", "failed": "it hung"}
    curve = noop("ours", 3.0) | {"workload": "curve-batch", "x": 10, "samples": [1, 2]}
    made = report(bench, failed, curve)
    (tmp_path / "report.json").write_text(bench.reports.written(made))
    assert bench.reports.read(tmp_path / "report.json") == made


def test_a_table_has_the_median_and_the_spread_of_the_rounds(
    bench: SimpleNamespace,
) -> None:
    rates = (noop("ours", rate) for rate in (14_000.0, 10_000.0, 12_000.0))
    text = bench.tables.performance(report(bench, *rates))
    assert "12,000 (10,000 to 14,000)" in text


def test_all_have_every_round_of_what_they_take_part_in(
    bench: SimpleNamespace,
) -> None:
    jobs = list(bench.plan.jobs(bench.roster.CONTENDERS, (), 3, quick=False))
    counts = Counter((job.workload, job.contender.name, job.x) for job in jobs)
    assert set(counts.values()) == {3}
    for each in bench.roster.CONTENDERS:
        for workload in each.workloads - {"curves"}:
            assert counts[workload, each.name, None] == 3


def test_contenders_take_turns_within_a_round(bench: SimpleNamespace) -> None:
    jobs = bench.plan.jobs(bench.roster.CONTENDERS, ("latency",), 2, quick=False)
    order = [(job.round, job.contender.name) for job in jobs]
    names = [name for round_, name in order if round_ == 1]
    assert len(set(names)) == len(names) > 1
    assert order == [(round_, name) for round_ in (1, 2) for name in names]


def test_a_thousandth_is_told_of_all_three_rounds_of_a_peer(
    bench: SimpleNamespace,
) -> None:
    run = {"workload": "latency", "contender": "huey"}
    rounds = [run | {"samples": [2_000] * 339 + [9_000 + n]} for n in (10, 20, 30)]
    assert len(rounds[0]["samples"]) == bench.latencies.EVENTS
    cells = row(bench.tables.performance(report(bench, *rounds)), "Huey")
    assert cells[2:5] == ["9.02", "9.03", "1,020"]
    cells = row(bench.tables.performance(report(bench, *rounds[:2])), "Huey")
    assert cells[2:5] == ["—", "9.02", "680"]


def test_memory_is_told_with_the_events_that_were_drained(
    bench: SimpleNamespace,
) -> None:
    sizes = {"events": 20_000, "early": 34 * 2**20, "resident": 35 * 2**20}
    idle = {"resident": 33 * 2**20, "family": 66 * 2**20}
    made = report(
        bench,
        noop("huey", 5_000.0, **sizes),
        {"workload": "latency", "contender": "huey", "figures": idle},
    )
    text = bench.tables.performance(made).split("**Memory of a worker**")[1]
    assert row(text, "Huey") == ["33.0", "20,000", "34.0", "35.0", "66.0"]


def test_time_is_told_by_thread_and_by_command(bench: SimpleNamespace) -> None:
    figures = {
        "worker_us": 30.0,
        "server_us": 20.0,
        "thread main": 9.0,
        "thread pool": 12.0,
        "thread committer": 6.0,
        "thread heart": 0.25,
        "command evalsha": 15.0,
        "command xdel": 3.0,
        "command time": 0.125,
    }
    run = {"workload": "noop", "contender": "ours", "figures": figures}
    text = bench.tables.performance(report(bench, run))
    told = {
        "reader: takes, decodes, queues": "9",
        "other threads": "0.25",
        "master and monitor": "2.75",
        "``XDEL``": "3",
        "other commands": "0.125",
        "scripts, beside these": "11.9",
        "receiving, answering, writing the file": "5",
    }
    assert {label: row(text, label)[0] for label in told} == told


def test_a_target_is_judged_against_the_fastest_peer_of_the_same_run(
    bench: SimpleNamespace,
) -> None:
    what = "no-op, Ours: faster than Huey, the fastest peer"
    for rate, word in ((15_000.0, "reached"), (14_000.0, "missed")):
        made = report(bench, noop("ours", rate), noop("huey", 5_000.0))
        assert judged(bench, made, what).word == word
        assert f"{word:12}  {what}" in bench.targets.verdict(made)


def test_a_floor_is_no_peer(bench: SimpleNamespace) -> None:
    made = report(bench, noop("bare-read", 9_000.0), noop("huey", 5_000.0))
    found = bench.findings.Findings(made)
    best = found.best(lambda name: found.median("noop", name, "rate"))
    assert best == ("huey", 5_000.0)


def test_what_failed_counts_for_nothing_and_is_told(bench: SimpleNamespace) -> None:
    failed = noop("ours", 99_000.0) | {"failed": "3 of 9 ran, then nothing for 25 s"}
    verdict = bench.targets.verdict(report(bench, failed, noop("huey", 5_000.0)))
    assert "failed        noop ours: 3 of 9 ran, then nothing for 25 s" in verdict
    assert "not measured  no-op, Ours: nothing" in verdict
    assert "99,000" not in verdict


def test_percentiles_are_of_all_rounds_together(bench: SimpleNamespace) -> None:
    rounds = [
        {"workload": "latency", "contender": "ours", "samples": times}
        for times in (list(range(1, 51)), list(range(51, 101)))
    ]
    found = bench.findings.Findings(report(bench, *rounds))
    assert [found.percentile("latency", "ours", part) for part in (0.5, 0.99, 1)] == [
        50,
        99,
        100,
    ]


def test_a_recovery_that_never_came_is_no_recovery(bench: SimpleNamespace) -> None:
    came = {"killed": 5, "watched": 15, "lost": 0, "doubled": 0, "seconds": 0.2}
    never = {"killed": 5, "watched": 15, "lost": 2, "doubled": 0}
    runs = [
        {"workload": "recovery", "contender": "ours", "figures": figures}
        for figures in (came, never)
    ]
    made = report(bench, *runs)
    what = "kill -9 of a worker: its events run again, slowest round"
    assert judged(bench, made, what).word == "missed"
    assert judged(bench, made, "kill -9 of a worker: lost").found == "2 events"
    assert "not within 15 s" in bench.tables.performance(made)
    assert row(bench.tables.headline(made), "killed worker's events again")[0] == "—"


def test_marks_that_stop_coming_are_a_failure(
    bench: SimpleNamespace, tmp_path: Path
) -> None:
    track = bench.tracks.Track(tmp_path / "marks")
    with pytest.raises(bench.tracks.MeasurementError, match="0 of 3 ran, then nothing"):
        track.until(3, 0.05, lambda: None)
