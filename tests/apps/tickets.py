"""A help desk: one execution per ticket, opened by its first event, moved by others.

Its result is the path it took. ``HASTE`` divides the real time between two events,
which the execution then sleeps; 0 does not sleep.
"""

from __future__ import annotations

import os

import redis

from workflow_worker import App, Context, Event, current_action

app = App("tickets")
HASTE = float(os.environ.get("HASTE", "0"))
notes = redis.Redis.from_url(
    os.environ.get("NOTES_URL", "redis://127.0.0.1:6379/0"),
    socket_timeout=30,
    health_check_interval=0,
)


@app.action
def archive(case: str) -> str:
    """Note the ticket outside: more than once for one ticket, but under one key."""
    notes.hincrby("archived", current_action().idempotency_key, 1)
    return case


@app.workflow(on="ticket.opened", signals="ticket.moved")
def ticket(ctx: Context, event: Event) -> list[str]:
    path = [event.payload["activity"]]
    last = event.payload["last"]
    while not last:
        moved = ctx.wait_for("ticket.moved")
        assert moved is not None
        if HASTE:
            ctx.sleep(moved.payload["gap"] / HASTE)
        path.append(moved.payload["activity"])
        ctx.set_state(moved.payload["activity"])
        last = moved.payload["last"]
    archive(ctx.key)
    return path
