"""The master's rules that need no process: back-off, reloading, restarting."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from workflow_worker.settings import Settings
from workflow_worker.supervisor.backoff import FREE, MAXIMUM, delay, longest
from workflow_worker.supervisor.recycle import limit
from workflow_worker.supervisor.reload import fingerprint, merged
from workflow_worker.supervisor.watch import counts

OLD = Settings(worker_count=2)


def test_the_first_deaths_are_accidents() -> None:
    assert [longest(streak) for streak in range(FREE + 1)] == [0.0] * (FREE + 1)


def test_each_further_death_doubles_the_wait_up_to_a_limit() -> None:
    waits = [longest(streak) for streak in range(FREE + 1, 20)]
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == longest(10**6) == MAXIMUM


@pytest.mark.parametrize("streak", [3, 8, 1000])
def test_chance_never_takes_more_than_half_of_the_wait(streak: int) -> None:
    waits = [delay(streak) for _ in range(200)]
    assert min(waits) >= longest(streak) / 2
    assert max(waits) <= longest(streak)
    assert len(set(waits)) > 1


def test_a_reload_takes_new_settings() -> None:
    new = dataclasses.replace(OLD, log_level="debug", concurrency_limit=7)
    assert merged(OLD, new, lanes=8, most=32) == new


@pytest.mark.parametrize(
    "changes",
    [
        {"http_port": 1},
        {"http_host": "::1"},
        {"http_token": "t"},
        {"workflow_namespace": "other"},
        {"concurrency_limit": 9},
        {"worker_count": 33},
    ],
)
def test_what_needs_a_restart_stays_and_is_named(
    changes: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    new = dataclasses.replace(OLD, **changes)  # type: ignore[arg-type]
    assert merged(OLD, new, lanes=8, most=32) == OLD
    (name,) = changes
    assert f"{name.upper()} changed: that needs a restart" in caplog.text


def test_what_needs_a_restart_keeps_nothing_else_from_changing() -> None:
    new = dataclasses.replace(OLD, http_port=1, log_level="debug")
    expected = dataclasses.replace(OLD, log_level="debug")
    assert merged(OLD, new, lanes=8, most=32) == expected


@pytest.mark.parametrize(
    ("most", "chance", "expected"),
    [(1000, 0.0, 1000), (1000, 0.5, 1050), (1000, 1.0, 1100), (1, 0.1, 2)],
)
def test_chance_spreads_after_how_many_events_a_worker_goes(
    most: int, chance: float, expected: int
) -> None:
    assert limit(most, chance) == expected


def test_a_changed_package_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "lua" / "take.lua"
    module.parent.mkdir()
    module.write_text("return 1")
    before = fingerprint(tmp_path)
    os.utime(module, ns=(1, 1))
    assert fingerprint(tmp_path) != before


class Fleeting(type(Path())):  # type: ignore[misc] # the system's kind of path
    """Files that are gone as soon as they were found."""

    def is_file(self) -> bool:
        found = super().is_file()
        self.unlink(missing_ok=True)
        return bool(found)


def test_a_package_that_is_being_installed_is_a_changed_one(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    before = fingerprint(tmp_path)
    assert fingerprint(Fleeting(tmp_path)) != before


def test_compiled_files_are_no_change(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    before = fingerprint(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "app.cpython-311.pyc").touch()
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("name", ["flows.py", ".env", "shop/orders.py"])
def test_code_and_settings_ask_for_a_reload(name: str) -> None:
    assert counts(Path(name))


@pytest.mark.parametrize(
    "name",
    [
        "flows.pyc",
        "notes.txt",
        ".env.swp",
        ".venv/lib/a.py",
        ".git/hook.py",
        "shop/__pycache__/a.py",
    ],
)
def test_other_files_do_not(name: str) -> None:
    assert not counts(Path(name))
