"""What costs are measured with: as little as possible of the user's own."""

from __future__ import annotations

from workflow_worker import App, Context, Event

app = App("costs")


@app.action
def step(number: int) -> int:
    return number


@app.workflow(on="nothing")
def nothing(ctx: Context, event: Event) -> None: ...


@app.workflow(on="five")
def five(ctx: Context, event: Event) -> None:
    for number in range(5):
        step(number)


@app.workflow(on="ask", signals=["answer"])
def ask(ctx: Context, event: Event) -> None:
    """So many actions, then a wait."""
    for number in range(event.payload["actions"]):
        step(number)
    ctx.wait_for("answer")
