"""``wfworker doctor`` in this process, and what it found."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.cli import commands

Found = dict[str, dict[str, Any]]
"""Findings by the name of their check."""


class Examined:
    """What one run came to."""

    def __init__(self, url: str, *flags: str, namespace: str = "t") -> None:
        given = ("--redis-url", url, "--workflow-namespace", namespace)
        app = () if "--app" in flags else ("--app", "tests.apps.plain:app")
        result = commands.run("doctor", "--json", *given, *app, *flags)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        self.status = result.exit_code
        self.output = result.stdout
        self.whole = json.loads(result.stdout)
        self.found: Found = {each["check"]: each for each in self.whole["findings"]}

    def __getitem__(self, check: str) -> tuple[str, str]:
        """Severity and text of one check."""
        finding = self.found[check]
        return finding["severity"], finding["found"]

    def advice(self, check: str) -> str:
        return str(self.found[check]["advice"])

    def above(self, *severities: str) -> set[str]:
        return {n for n, f in self.found.items() if f["severity"] in severities}

    @property
    def bad(self) -> set[str]:
        return self.above("warning", "error")
