"""The event log the big runs publish: a real one where a setting names it.

``HELPDESK_LOG`` is the path of a gzipped file, one JSON object a line, in time order,
with the fields case, activity, last. Without it, a made-up log of the same shape.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from functools import cache
from typing import TypedDict

from tests.apps.tally import ACTIVITIES


class Line(TypedDict):
    case: str
    activity: str
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
        made.append({"case": case, "activity": chance.choice(ACTIVITIES), "last": last})
        if last:
            del left[case]
    return tuple(made)
