"""What ``wfworker doctor`` finds, as a value; and how bad the whole is.

Owns the severities. Judgements are functions from what was read to a :class:`Verdict`:
they must never read anything themselves.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from workflow_worker.model import Json


class Severity(enum.StrEnum):
    """How much a finding matters; from the least to the most."""

    OK = "ok"
    """As it should be."""
    NOTE = "note"
    """Good to know; changes no exit status."""
    WARNING = "warning"
    """Something is lost, late or in danger: look at it today. Exit status 1."""
    ERROR = "error"
    """It does not work, or what is done is lost: look at it now. Exit status 2."""


_ORDER = list(Severity)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check came to.

    Attributes:
        severity: how much it matters.
        found: what there is, with its value.
        means: what follows from that; empty if all is well.
        advice: what to do; likewise.
    """

    severity: Severity
    found: str
    means: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict and what it is about."""

    group: str
    check: str
    verdict: Verdict

    def as_object(self) -> Json:
        """Return it as a JSON object."""
        verdict = self.verdict
        return {
            "group": self.group,
            "check": self.check,
            "severity": verdict.severity.value,
            "found": verdict.found,
            "means": verdict.means,
            "advice": verdict.advice,
        }


def fine(found: str) -> Verdict:
    """Return that all is well."""
    return Verdict(Severity.OK, found)


def note(found: str, means: str = "", advice: str = "") -> Verdict:
    """Return what is good to know."""
    return Verdict(Severity.NOTE, found, means, advice)


def warning(found: str, means: str, advice: str) -> Verdict:
    """Return what has to be looked at today."""
    return Verdict(Severity.WARNING, found, means, advice)


def error(found: str, means: str, advice: str) -> Verdict:
    """Return what has to be looked at now."""
    return Verdict(Severity.ERROR, found, means, advice)


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the highest severity there is."""
    found = (finding.verdict.severity for finding in findings)
    return max(found, key=_ORDER.index, default=Severity.OK)


# --- numbers as people read them --------------------------------------------------


def numbered(count: int, one: str, many: str = "") -> str:
    """Return ``1 event`` or ``5 events``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def lasting(ms: float) -> str:
    """Return a duration in the unit that suits it."""
    size = abs(ms)
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if size >= 2 * length:
            return f"{ms / length:.0f} {unit}"
    if size >= 1000:  # noqa: PLR2004 - a second
        return f"{ms / 1000:.1f} s"
    return f"{ms:.2g} ms" if size < 10 else f"{ms:.0f} ms"  # noqa: PLR2004 - two digits


def sized(count: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit, length in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count:.0f} bytes"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names in a row, the first of many."""
    found = sorted(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
