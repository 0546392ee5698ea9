"""Runs commands, in this process or in one of their own."""

from __future__ import annotations

import socket
import subprocess
import sys

from click.testing import CliRunner, Result

from workflow_worker.cli.main import wfworker


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(wfworker, arguments, input=stdin, prog_name="wfworker")


def process(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = ["-c", code] if code else ["-m", "workflow_worker"]
    return subprocess.run(
        [sys.executable, *program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def closed() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
