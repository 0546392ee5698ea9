"""The event log the big runs publish: a real one where a setting names it.

``HELPDESK_LOG`` is the path of a gzipped file, one JSON object a line, in time order,
with the fields case, activity, timestamp, last. Without it, a made-up log of the same
shape.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import random
from collections.abc import Iterator
from functools import cache
from typing import TypedDict

from tests.apps.tally import ACTIVITIES
from workflow_worker.model import Json


class Line(TypedDict):
    case: str
    activity: str
    timestamp: str
    last: bool


@cache
def lines() -> tuple[Line, ...]:
    path = os.environ.get("HELPDESK_LOG")
    if not path:
        return made_up()
    with gzip.open(path, "rt") as file:
        return tuple(json.loads(line) for line in file)


def made_up(cases: int = 1500) -> tuple[Line, ...]:
    """Tickets side by side, each a few activities long; always the same ones."""
    chance = random.Random(2014)
    left = {f"Case {n}": chance.randint(2, 14) for n in range(cases)}
    made: list[Line] = []
    while left:
        case = chance.choice(list(left)[:50])
        left[case] -= 1
        last = left[case] == 0
        at = dt.datetime(2014, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=len(made))
        made.append(
            {
                "case": case,
                "activity": chance.choice(ACTIVITIES),
                "timestamp": at.isoformat(),
                "last": last,
            }
        )
        if last:
            del left[case]
    return tuple(made)


def traces() -> dict[str, list[str]]:
    """What happened to each ticket, in order."""
    found: dict[str, list[str]] = {}
    for line in lines():
        found.setdefault(line["case"], []).append(line["activity"])
    return found


def moves() -> Iterator[Json]:
    """Each line as an event: a ticket's first one opens it, every later one moves it.

    ``gap`` is the seconds since the ticket's event before.
    """
    before: dict[str, dt.datetime] = {}
    for line in lines():
        case, at = line["case"], dt.datetime.fromisoformat(line["timestamp"])
        gap = (at - before.get(case, at)).total_seconds()
        name = "ticket.moved" if case in before else "ticket.opened"
        before[case] = at
        yield {"name": name, "key": case, "payload": {**line, "gap": gap}}
