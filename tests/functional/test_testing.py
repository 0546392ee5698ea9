"""What a test of a user's may count on: it sees the same each time."""

from __future__ import annotations

from datetime import timedelta

from workflow_worker import App, Context, RetryPolicy
from workflow_worker.testing import Started, TestWorker

SECOND = timedelta(seconds=1)


def delays(worker: TestWorker, order: Started) -> list[int]:
    """Skip from try to try; returns the delays between them in seconds, rounded."""
    found = []
    while order.status == "retrying":
        found.append(round(worker.skip() / SECOND))
    return found


def test_every_delay_is_as_long_as_it_can_be() -> None:
    app = App("away")

    @app.action
    def charge() -> None:
        raise ConnectionRefusedError("no bank")

    @app.action(retry=RetryPolicy(max_retries=2, base=60))
    def ship() -> None:
        raise ConnectionRefusedError("no ship")

    @app.workflow(on="ordered")
    def sell(ctx: Context) -> None:
        charge()

    @app.workflow(on="packed")
    def send(ctx: Context) -> None:
        ship()

    with TestWorker(app) as worker:
        assert delays(worker, worker.start("ordered")) == [1, 2, 4]
        assert delays(worker, worker.start("packed")) == [60, 60]
