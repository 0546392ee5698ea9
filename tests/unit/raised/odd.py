"""Errors of clients that nobody knows, and the verdict on an error."""

from __future__ import annotations

from datetime import UTC, datetime

from workflow_worker import RetryPolicy
from workflow_worker.runtime.classify import Classifier, Verdict

PLAIN = Classifier()
NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def verdict(error: BaseException, policy: RetryPolicy | None = None) -> Verdict:
    return PLAIN.verdict(error, policy, NOW_MS)


class OddError(Exception):
    """A client's error, of a client nobody knows."""

    def __init__(self, **attributes: object) -> None:
        super().__init__("odd")
        self.__dict__.update(attributes)


class Response:
    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


class HostileHeaders:
    def get(self, name: str) -> object:
        raise RuntimeError(name)
