"""The App of the big runs: one workflow per activity, each notes its event once.

The note goes to a set under the event's id, an effect that may be repeated; how often
it was repeated is counted beside it.
"""

from __future__ import annotations

import os

import redis

from workflow_worker import App, Context, Event

ACTIVITIES = (
    "Assign seriousness",
    "Closed",
    "Create SW anomaly",
    "DUPLICATE",
    "INVALID",
    "Insert ticket",
    "RESOLVED",
    "Require upgrade",
    "Resolve SW anomaly",
    "Resolve ticket",
    "Schedule intervention",
    "Take in charge ticket",
    "VERIFIED",
    "Wait",
)

app = App("tally")
notes = redis.Redis.from_url(
    os.environ.get("NOTES_URL", "redis://127.0.0.1:6379/0"),
    socket_timeout=30,
    health_check_interval=0,
)


def count(activity: str) -> None:
    def tally(ctx: Context, event: Event) -> None:
        with notes.pipeline(transaction=True) as together:
            together.sadd(f"seen:{activity}", event.id)
            together.incr("runs")
            together.execute()

    tally.__name__ = "tally_" + activity.lower().replace(" ", "_")
    app.workflow(on=activity)(tally)


for one in ACTIVITIES:
    count(one)
