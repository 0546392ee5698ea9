"""Journals that released versions wrote are replayed for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.histories import flows
from tests.unit.memory import Memory
from workflow_worker.model import Event, Record, Task
from workflow_worker.runtime.execute import Runner

RECORDED = sorted((Path(__file__).parents[1] / "histories").glob("*.json"))


def test_there_are_histories() -> None:
    assert len(RECORDED) >= 3


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_history_replays_to_the_same_end_and_runs_nothing(
    path: Path,
) -> None:
    found = json.loads(path.read_text())
    event = found["event"]
    task = Task(
        entry="1-0",
        count=1,
        deliveries=1,
        execution_id=found["execution"],
        workflow=found["workflow"],
        event=Event(event["name"], json.loads(event["payload"]), event["key"], "e"),
        record=Record(
            1,
            "running",
            version=found["version"],
            cancel=found["status"] == "cancelled",
        ),
        journal=tuple(entry.encode() for entry in found["journal"]),
    )
    flows.ran.clear()
    effects = Memory(task.journal)
    decision = Runner(flows.app, max_payload_bytes=10**6).run(task, effects)
    assert flows.ran == []
    assert decision.outcome == found["status"]
    assert decision.entries == ()
    assert (decision.emits, decision.children) == ((), ())
    assert json.loads(decision.result or b"null") == found["result"]
    if decision.failure is not None:
        assert found["error"]["message"] == decision.failure.message
        assert found["error"]["type"] == decision.failure.error_type
