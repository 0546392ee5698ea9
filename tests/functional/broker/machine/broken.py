"""How an invariant that does not hold is told."""

from __future__ import annotations


class Broken(AssertionError):  # noqa: N818 - what a test says
    """An invariant does not hold; the message begins with its name."""


def expect(truth: object, invariant: str, *evidence: object) -> None:
    """Say which invariant does not hold, and what shows it."""
    if not truth:
        raise Broken(": ".join([invariant, *map(str, evidence)]))


def same(found: object, wanted: object, invariant: str, what: str) -> None:
    expect(found == wanted, invariant, what, f"{found} where {wanted} is due")
