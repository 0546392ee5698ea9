"""What a worker makes of the entries of a dead one, by how that one ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.servers import Server
from tests.service import books, until_quiet

STREAM, GROUP = "{wf:0}:events", "workers"


def leave_behind(db: redis.Redis, *keys: str) -> list[str]:
    """Publish events and have a worker take them that does nothing more."""
    db.xgroup_create(STREAM, GROUP, 0, mkstream=True)
    for key in keys:
        db.xadd(STREAM, {"name": "innocent", "key": key, "_workflow": "innocent"})
    [(_, rows)] = db.xreadgroup(GROUP, "dead", {STREAM: ">"})
    return [entry.decode() for entry, _ in rows]


@contextmanager
def heir(
    server: Server, folder: Path, *before: dict[str, Any], **dead: Any
) -> Iterator[None]:
    """Run a worker that adopts what the worker ``dead`` left, and those before it."""
    settings = {
        "redis_url": server.url,
        "workflow_app": "tests.apps.poison:app",
        "max_deliveries": 1,
        "max_retries": 0,
        "concurrency_limit": 4,
    }
    all_dead = [{"consumer": "dead", **dead}, *before]
    told = {"settings": settings, "dead": all_dead}
    (folder / "told.json").write_text(json.dumps(told))
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.apps.heir", str(folder / "told.json")],
        env=os.environ | {"MARKS": str(folder)},
    )
    try:
        yield
    finally:
        worker.terminate()
        assert worker.wait(20) == 0


def ran(folder: Path) -> set[str]:
    return {path.name.removeprefix("ran.") for path in folder.glob("ran.*")}


def letters(db: redis.Redis) -> dict[bytes, dict[bytes, bytes]]:
    return {fields[b"e:key"]: fields for _, fields in db.xrange("{wf:0}:dead")}


def test_a_death_of_its_own_counts_against_all_that_ran(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    running, _ = leave_behind(db, "running", "queued")
    with heir(valkey, tmp_path, started=[running], exit="SIGSEGV"):
        until_quiet(db)
    [letter] = letters(db).values()
    assert (letter[b"e:key"], letter[b"exit"]) == (b"running", b"SIGSEGV")
    assert ran(tmp_path) == {"queued"}


def test_how_the_last_but_one_died_is_known_of_what_the_last_did_not_run(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    """It had adopted the event, and died before that came to run."""
    [entry] = leave_behind(db, "running")
    db.xclaim(STREAM, GROUP, "dead", 0, [entry])  # counts, as an adoption does
    first = {"consumer": "first", "started": [entry], "exit": "SIGSEGV"}
    with heir(valkey, tmp_path, first, started=[], exit="exit status 3"):
        until_quiet(db)
    [letter] = letters(db).values()
    assert (letter[b"e:key"], letter[b"exit"]) == (b"running", b"SIGSEGV")
    assert letter[b"deliveries"] == b"2", "the second death is not its fault"


def test_a_death_that_the_master_ordered_counts_against_nothing(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    running = leave_behind(db, "a", "b")
    with heir(valkey, tmp_path, started=running, ordered=True, exit="SIGKILL"):
        until_quiet(db)
    assert ran(tmp_path) == {"a", "b"}
    assert books(db)["dead"] == 0


@pytest.mark.parametrize("reported", [1, 2])
def test_one_ordered_for_what_took_too_long_has_failed_that_alone(
    reported: int, db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    slow, beside = leave_behind(db, "slow", "beside")
    with heir(
        valkey,
        tmp_path,
        started=[slow, beside],
        ordered=True,
        exit="SIGKILL",
        overdue=[{"entry": slow}] * reported,
    ):
        until_quiet(db)
    [letter] = letters(db).values()
    assert letter[b"e:key"] == b"slow"
    assert letter[b"error_type"].endswith(b"EventTimeout")
    assert letter[b"deliveries"] == b"1", "it is no step to poison"
    assert ran(tmp_path) == {"beside"}


def test_what_took_too_long_is_known_though_its_heir_died_taking_note_of_it(
    db: redis.Redis, valkey: Server, tmp_path: Path
) -> None:
    [slow] = leave_behind(db, "slow")
    killed = {
        "consumer": "first",
        "started": [slow],
        "ordered": True,
        "overdue": [{"entry": slow}],
    }
    with heir(valkey, tmp_path, killed, started=[], exit="SIGSEGV"):
        until_quiet(db)
    [letter] = letters(db).values()
    assert letter[b"error_type"].endswith(b"EventTimeout")
    assert ran(tmp_path) == set()
