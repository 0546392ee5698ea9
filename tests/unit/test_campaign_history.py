"""The campaign's own record: whole lines from writers that died, put together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.campaign.history import History, Journal


def effect(phase: str, says: str = "a/pack", attempt: int = 1) -> dict[str, object]:
    fields = {"execution": "0-a.order", "says": says, "attempt": attempt}
    return {"phase": phase, **fields, "key": "k", "action": "touch"}


def test_what_was_begun_twice_and_ended_once_is_two_tries(tmp_path: Path) -> None:
    first = Journal(tmp_path, "effects-7", pid=7)
    first.write(**effect("begin"))
    second = Journal(tmp_path, "effects-8", pid=8)
    begun = second.write(**effect("begin"))
    ended = second.write(**effect("end"))
    acts = History.load(tmp_path).acts
    assert [(act.begin.pid, act.ended) for act in acts] == [(7, None), (8, ended)]
    assert acts[1].begin.t == begun


def test_a_line_torn_by_the_death_of_its_writer_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "effects-7", pid=7)
    journal.write(**effect("begin"))
    with (tmp_path / "effects-7.jsonl").open("ab") as file:
        file.write(b'{"phase": "end", "execu')
    [act] = History.load(tmp_path).acts
    assert act.ended is None


def test_a_damaged_line_within_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "effects-7.jsonl").write_bytes(b"{\n")
    with pytest.raises(ValueError, match=r"effects-7.jsonl, line 1"):
        History.load(tmp_path)


def write(journal: Journal, *phases: str) -> None:
    journal.write(op=1, phase="invoke", what="publish", events=[])
    for phase in phases:
        journal.write(op=1, phase=phase)


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        (("ok",), "ok"),
        (("fail",), "fail"),
        (("unknown",), "unknown"),
        ((), "unknown"),
        (("fail", "invoke", "fail"), "fail"),
        (("unknown", "invoke", "fail"), "unknown"),
        (("unknown", "invoke", "ok"), "ok"),
        (("fail", "invoke"), "unknown"),
    ],
)
def test_an_operation_failed_only_if_every_try_surely_did(
    tmp_path: Path, phases: tuple[str, ...], outcome: str
) -> None:
    write(Journal(tmp_path, "ops-one"), *phases)
    [op] = History.load(tmp_path).ops
    assert op.outcome == outcome
    assert (op.confirmed is not None) == (outcome == "ok")


def test_operations_of_two_writers_are_not_mixed_up(tmp_path: Path) -> None:
    write(Journal(tmp_path, "ops-one"), "fail")
    write(Journal(tmp_path, "ops-two"), "ok")
    ops = History.load(tmp_path).ops
    assert {op.number: op.outcome for op in ops} == {
        "ops-one:1": "fail",
        "ops-two:1": "ok",
    }


def test_a_strike_lasts_until_its_heal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "faults")
    struck = journal.write(fault="cut", phase="strike", number=3, instance="a")
    healed = journal.write(fault="cut", phase="heal", number=3)
    journal.write(fault="kill-worker", phase="strike", number=4, pids=[os.getpid()])
    cut, kill = History.load(tmp_path).faults
    assert (cut.name, cut.instance, cut.struck, cut.healed) == (
        "cut",
        "a",
        struck,
        healed,
    )
    assert (kill.pids, kill.healed) == ((os.getpid(),), float("inf"))
