"""An App with metrics of its own, counted inside its actions."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from workflow_worker import (
    App,
    Context,
    Event,
    PermanentError,
    TransientError,
    current_action,
)

app = App("counted")
SOLD = Counter("tickets_sold", "Tickets that were sold.", ["fate"])
AT_DESK = Gauge("at_desk", "Who is served now.", multiprocess_mode="livesum")


@app.action
def sell(fate: str) -> None:
    with AT_DESK.track_inprogress():
        if fate == "flaky" and current_action().attempt == 1:
            raise TransientError("a blip")
        if fate == "bad":
            raise PermanentError("never")
        SOLD.labels(fate).inc()


@app.workflow(on="wanted")
def sale(ctx: Context, event: Event) -> None:
    sell(event.payload["fate"])
