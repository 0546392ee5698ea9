"""The benchmark runs: hardly any work, on the product alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil

BENCH = Path(__file__).parents[2] / "scripts" / "bench"


def test_bench_measures_says_so_and_leaves_no_process(tmp_path: Path) -> None:
    flags = "--quick --rounds 1 --contenders ours --only noop --only recovery"
    command = [sys.executable, str(BENCH), *flags.split(), "--no-plots"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    drain, kill = json.loads((tmp_path / "report.json").read_text())["runs"]
    assert drain["figures"]["rate"] > 0
    assert drain["figures"]["worker_us"] > 0
    assert drain["figures"]["doubled"] == 0
    assert kill["figures"]["killed"] == 5
    assert kill["figures"]["lost"] == 0
    assert "kill -9 of a worker: lost: 0 events" in done.stdout
    assert [each for each in psutil.process_iter() if _in(tmp_path, each)] == []


def _in(folder: Path, process: psutil.Process) -> bool:
    """Whether it was started by the run: all work below this folder."""
    try:
        return process.cwd().startswith(str(folder))
    except psutil.Error:
        return False
