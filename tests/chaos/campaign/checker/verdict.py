"""What the checker says: a promise that was broken, and by what it is seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that does not hold.

    Attributes:
        rule: name of the promise.
        text: what was found, in one sentence.
        about: the execution, publish id, lock or key that it is about.
        moments: when what shows it happened, in monotonic seconds.
    """

    rule: str
    text: str
    about: str
    moments: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.rule}: {self.text} [{self.about}]"
