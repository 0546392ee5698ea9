"""What ``wfworker doctor`` found, as text for people.

Must not pass on characters that move a terminal's cursor: names come from anybody.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from workflow_worker.cli.doctor_findings import Finding, Severity, numbered
from workflow_worker.cli.executions_report import plain

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
    return "\n".join([*lines, summary(findings)])


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
    """Return how many there are of each severity, the worst first."""
    counts = Counter(finding.verdict.severity for finding in findings)
    parts = [
        numbered(counts[severity], severity.value)
        for severity in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
        if counts[severity]
    ]
    parts.append(f"{counts[Severity.OK]} ok")
    return f"{numbered(len(findings), 'check')}: {', '.join(parts)}"
