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
