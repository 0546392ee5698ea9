"""What ``wfworker doctor`` found, as text for people.

Must not pass on characters that move a terminal's cursor: names come from anybody.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from workflow_worker.cli.doctor.findings import Finding, Severity
from workflow_worker.cli.text import numbered, plain

COLOURS = {
    Severity.OK: "green",
    Severity.NOTE: "cyan",
    Severity.WARNING: "yellow",
    Severity.ERROR: "red",
}
INDENT = " " * 11
"""Below the severity, two columns in."""


def as_text(findings: Sequence[Finding], width: int) -> str:
    """Return findings by group, one line each; advice below where there is any.

    Args:
        findings: in order; those of a group together.
        width: of a line.
    """
    lines: list[str] = []
    for group, members in groupby(findings, key=lambda each: each.group):
        lines.append(click.style(group, bold=True))
        for finding in members:
            lines += _lines(finding, width)
        lines.append("")
    return "\n".join([*lines, *textwrap.wrap(summary(findings), width)])


def _lines(finding: Finding, width: int) -> Iterator[str]:
    verdict = finding.verdict
    word = click.style(f"{verdict.severity:7}", fg=COLOURS[verdict.severity])
    head = f"{finding.check}: {plain(verdict.found)}"
    first, *rest = textwrap.wrap(head, width - len(INDENT)) or [""]
    yield f"  {word}  {first}"
    yield from (f"{INDENT}{line}" for line in rest)
    for mark, text in (("  ", verdict.means), ("> ", verdict.advice)):
        yield from textwrap.wrap(
            plain(text),
            width,
            initial_indent=f"{INDENT}{mark}",
            subsequent_indent=f"{INDENT}  ",
            # Commands are to be copied whole.
            break_long_words=False,
            break_on_hyphens=False,
        )


def summary(findings: Sequence[Finding]) -> str:
    """Return how many there are of each severity, the worst first and by name."""
    checks: dict[Severity, list[str]] = {severity: [] for severity in Severity}
    for finding in findings:
        checks[finding.verdict.severity].append(finding.check)
    parts = []
    for severity in (Severity.ERROR, Severity.WARNING):
        if names := checks[severity]:
            parts.append(f"{numbered(len(names), severity.value)} ({', '.join(names)})")
    if notes := checks[Severity.NOTE]:
        parts.append(numbered(len(notes), Severity.NOTE.value))
    parts.append(f"{len(checks[Severity.OK])} ok")
    return f"{numbered(len(findings), 'check')}: {', '.join(parts)}"
