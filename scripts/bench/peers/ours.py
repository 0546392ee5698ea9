"""The product itself: its App, and its producer."""

from __future__ import annotations

import os
import time

from marks import BEGUN, ENDED, burn, mark, produce
from workflow_worker import App, Client, Context, Event

app = App("bench")
CHUNK = 10_000
"""Events handed to the client at once, so that a million need no memory."""


@app.workflow(on="noop")
def noop(ctx: Context, event: Event) -> None:
    mark(event.payload["number"])


@app.workflow(on="latency")
def latency(ctx: Context, event: Event) -> None:
    mark(event.payload["number"])


@app.workflow(on="io")
def io(ctx: Context, event: Event) -> None:
    time.sleep(0.010)
    mark(event.payload["number"])


@app.workflow(on="cpu")
def cpu(ctx: Context, event: Event) -> None:
    burn()
    mark(event.payload["number"])


@app.workflow(on="slow")
def slow(ctx: Context, event: Event) -> None:
    mark(event.payload["number"], BEGUN)
    time.sleep(0.2)
    mark(event.payload["number"], ENDED)


@app.action
def step(number: int) -> int:
    return number


@app.workflow(on="five")
def five(ctx: Context, event: Event) -> None:
    for number in range(5):
        step(number)
    mark(event.payload["number"])


@app.workflow(on="roundtrip", signals=["signal"])
def roundtrip(ctx: Context, event: Event) -> None:
    mark(event.payload["number"], BEGUN)
    ctx.wait_for("signal")
    mark(event.payload["number"])


@app.workflow(on="journal", signals=["signal"])
def journal(ctx: Context, event: Event) -> None:
    mark(event.payload["number"], BEGUN)
    for number in range(event.payload["size"]):
        step(number)
    mark(event.payload["number"], ENDED)
    ctx.wait_for("signal")
    mark(event.payload["number"])


def main() -> None:
    """Be a producer; a task may say a size: ``payload:100``, ``journal:1000``."""
    with Client(os.environ["BENCH_URL"]) as client:

        def event(task: str, number: int) -> dict[str, object]:
            name, _, size = task.partition(":")
            payload: dict[str, object] = {"number": number}
            if name == "payload":
                name = "noop"
                payload["padding"] = "x" * int(size)
            elif size:
                payload["size"] = int(size)
            return {"name": name, "payload": payload, "key": str(number)}

        def publish(task: str, first: int, count: int) -> None:
            client.stats()
            for begin in range(first, first + count, CHUNK):
                end = min(begin + CHUNK, first + count)
                client.publish_many(event(task, each) for each in range(begin, end))

        def send(task: str, number: int) -> None:
            client.publish(task, {"number": number}, key=str(number))

        produce(publish, send)


if __name__ == "__main__":
    main()
