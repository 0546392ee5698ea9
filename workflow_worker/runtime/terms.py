"""What every run is held to: limits, rules for errors, retries, hooks."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_worker.runtime.around import Around
from workflow_worker.runtime.backoff import Retries
from workflow_worker.runtime.classify import Classifier


@dataclass(frozen=True, slots=True)
class Terms:
    """The same for all runs of one worker.

    Attributes:
        max_payload_bytes: longest value.
        classifier: says what an error asks for.
        retries: for what does not say by itself.
        around: hooks around actions; None for none.
    """

    max_payload_bytes: int
    classifier: Classifier
    retries: Retries
    around: Around | None = None
