"""``wfworker top``: frames of every size, and looks printed one below the other."""

from __future__ import annotations

import json

import pytest
from rich.cells import cell_len
from rich.text import Text

from tests.unit.cli.commands import closed, run
from tests.unit.cli.fleets import AT, fleet, instance, worker
from workflow_worker.cli.top_screen import STYLES, frame
from workflow_worker.client import Fleet, Running

PLACE = "redis://h/0, namespace wf"


def shown(
    what: Fleet | None, width: int = 80, height: int = 24, away: str = ""
) -> Text:
    return frame(what, PLACE, away, width, height)


def crowd(workers: int) -> Fleet:
    """Ten instances with so many workers each, all of them busy."""
    return fleet(
        *(
            instance(
                f"host-{number}",
                *(
                    worker(slot, Running(f"0-{slot}.w", "w", "act", 1_000 * slot))
                    for slot in range(workers)
                ),
            )
            for number in range(10)
        )
    )


def test_the_frame_says_when_and_where_and_how_to_leave() -> None:
    first = shown(fleet(instance())).plain.split("\n")[0]
    assert first == f"{AT}  {PLACE}".ljust(73) + "q quits"


@pytest.mark.parametrize("height", [1, 2, 5, 10, 24, 60])
@pytest.mark.parametrize("width", [20, 50, 80, 200])
@pytest.mark.parametrize("what", [fleet(), crowd(1), crowd(32)])
def test_no_frame_is_larger_than_its_terminal(
    what: Fleet, width: int, height: int
) -> None:
    lines = shown(what, width, height, away="Redis can't be reached: " * 20).plain
    assert len(lines.split("\n")) <= height
    assert all(cell_len(line) <= width for line in lines.split("\n"))


def test_a_crowd_shares_the_lines_and_the_rest_is_counted() -> None:
    lines = shown(crowd(32)).plain.split("\n")
    assert len(lines) == 24
    for heading, rows in (("#", 10), ("WORKER", 320), ("BUSY", 320)):
        [at] = [n for n, line in enumerate(lines) if line.split()[:1] == [heading]]
        [end, *_] = [n for n, line in enumerate(lines) if n > at and "more" in line]
        assert lines[end] == f"and {rows - (end - at - 1)} more"
        assert end - at > 1
        assert not lines[at - 1]


def test_what_fits_is_shown_whole() -> None:
    lines = shown(crowd(1), 120, 60).plain
    assert "more" not in lines
    assert all(f" host-{number} " in lines for number in range(10))


@pytest.mark.parametrize("status", ["healthy", "degraded", "unhealthy"])
def test_a_status_has_its_colour_beside_its_word(status: str) -> None:
    text = shown(fleet(instance("i", worker(status=status), status=status)))
    styled = [
        text.plain[span.start : span.end].strip()
        for span in text.spans
        if span.style == STYLES[status]
    ]
    assert styled == [status, status]  # of the instance, of its worker


def test_a_name_that_is_a_status_has_no_colour() -> None:
    text = shown(fleet(instance("lost")))
    assert "lost" in text.plain
    assert all(span.style != STYLES["lost"] for span in text.spans)


def test_while_redis_is_away_the_last_look_stays_and_says_so() -> None:
    lines = shown(fleet(instance("i-1")), away="Redis can't be reached").plain
    assert "Redis can't be reached; below is what was seen last" in lines
    assert " i-1 " in lines
    assert (
        shown(None, away="Redis can't be reached")
        .plain.split("\n")[0]
        .startswith("not seen yet")
    )


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", "1e9"])
def test_an_interval_that_is_none_is_a_usage_error(text: str) -> None:
    result = run("top", "--interval", text)
    assert result.exit_code == 2
    assert f"'{text}' is no number of seconds from 0.1 to 86400" in result.stderr


def test_without_redis_each_look_says_so_and_the_status_of_the_last_one() -> None:
    url = f"redis://:sesame@127.0.0.1:{closed()}/0"
    some = ("--redis-url", url, "--interval", "0.1", "--count", "2")
    result = run("top", *some)
    assert result.exit_code == 3
    assert result.stdout.count("Redis can't be reached") == 2
    assert "\x1b" not in result.output
    assert "sesame" not in result.output
    lines = run("top", "--json", *some).stdout.splitlines()
    assert [
        "Redis can't be reached" in json.loads(line)["error"] for line in lines
    ] == [
        True,
        True,
    ]
