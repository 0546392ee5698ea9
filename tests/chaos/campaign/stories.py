"""What is published, story by story, and what must come of each.

Owns the seeded choice of stories and their fates: an event, the signals that follow it,
whether it is cancelled or redriven, and how its execution must end. Pure. Must never
ask the product what it did.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.campaign.records import Sent

SHARES = {
    "bare": 62.0,
    "plain": 24.0,
    "later": 1.0,
    "unnamed": 2.0,
    "order": 3.5,
    "refused": 0.7,
    "cancelled": 0.5,
    "lonely": 0.7,
    "family": 1.2,
    "flaky": 1.5,
    "sleeper": 1.2,
    "locked": 1.2,
    "slow": 1.0,
    "doomed": 0.5,
    "changing": 0.5,
    "renewing": 0.5,
}
"""Stories of each kind among a hundred; one of an order is ten events or so."""
SIGNALS = {
    "order": "order.said",
    "refused": "order.said",
    "changing": "changing.go",
}
"""What the signals of a kind are called."""
LOCKS = 3
TWICE = 0.02
"""Share of named plain events that are published a second time."""
GIVES_UP = 0.05
"""Share of plain events that are not published again when that failed for sure."""


@dataclass(frozen=True, slots=True)
class Fate:
    """How an execution must end.

    Attributes:
        status: ``completed``, ``failed`` or ``cancelled``.
        results: what it may return, if it completes; two for two code versions.
        error: class of its error, if it fails.
        steps: what its actions or its own code must be told, each at least once.
        may: what they may be told besides.
        undone: what its compensations are told, in the order in which they begin.
        emits: what the events it emits say: each once if it completes, at most
            once otherwise.
        children: what its children are told.
    """

    status: str = "completed"
    results: tuple[object, ...] = (None,)
    error: str = ""
    steps: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    emits: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """One event, what follows it, and what must come of it.

    Attributes:
        number: in the plan, from 0.
        kind: a name in ``SHARES``.
        event: name of the event.
        workflow: which it starts.
        id: publish id; empty where it has none.
        key: business key; empty where it has none.
        payload: of the event; ``says`` is unique to it.
        delay: seconds after which it appears.
        signals: how many follow, one after another.
        by_execution: signals are addressed to the execution, not to its key.
        cancel: an operator cancels it once it has begun.
        redrive: an operator redrives its dead letter.
        twice: it is published once more, under the same id.
        gives_up: a publish that failed for sure is not repeated.
        fate: how it ends.
    """

    number: int
    kind: str
    event: str
    workflow: str
    id: str
    key: str
    payload: dict[str, object]
    fate: Fate
    delay: float = 0.0
    signals: int = 0
    by_execution: bool = False
    cancel: bool = False
    redrive: bool = False
    twice: bool = False
    gives_up: bool = False

    @property
    def execution(self) -> str:
        """Id of the execution; empty where the server's entry id names it."""
        return f"0-{self.id}.{self.workflow}" if self.id else ""

    @property
    def events(self) -> int:
        """How many events it comes to: its own, signals, and what it emits and starts.

        A child is none: it is started by a commit.
        """
        return 1 + self.twice + self.signals + len(self.fate.emits)

    def sent(self) -> Sent:
        """Its event, as the history has it."""
        says = str(self.payload["says"])
        return Sent(id=self.id, name=self.event, says=says, key=self.key)

    def signal(self, seq: int) -> Sent:
        """One of its signals, the first being number 0."""
        return Sent(
            id=f"{self.id}-s{seq}",
            name=SIGNALS[self.kind],
            key="" if self.by_execution else self.key,
            seq=seq,
            to=self.execution if self.by_execution else "",
        )

    def signals_sent(self) -> list[Sent]:
        """All of its signals, in order."""
        return [self.signal(seq) for seq in range(self.signals)]


def stories(seed: int, events: int) -> Iterator[Story]:
    """Yield stories until they come to so many events."""
    chance = random.Random(f"{seed} stories")
    kinds, weights = list(SHARES), list(SHARES.values())
    number = 0
    while events > 0:
        kind = chance.choices(kinds, weights)[0]
        story = _MAKERS[kind](number, chance)
        events -= story.events
        number += 1
        yield story


def _named(number: int, kind: str) -> str:
    return f"{kind}{number}"


def _story(
    number: int,
    kind: str,
    fate: Fate,
    *,
    starts: tuple[str, str] | None = None,
    keyed: bool = False,
    told: dict[str, object] | None = None,
    **more: Any,
) -> Story:
    """A story; its event is named like its kind, unless it says what it starts."""
    name = _named(number, kind)
    event, workflow = starts or (kind, kind)
    payload = {"says": name, **(told or {})}
    key = f"k-{name}" if keyed else ""
    return Story(number, kind, event, workflow, name, key, payload, fate, **more)


def _bare(number: int, chance: random.Random) -> Story:
    fate = Fate(steps=(_named(number, "bare"),))
    return _story(number, "bare", fate, **_repeats(chance))


def _plain(number: int, chance: random.Random) -> Story:
    name = _named(number, "plain")
    fate = Fate(results=(name,), steps=(name,))
    return _story(number, "plain", fate, **_repeats(chance))


def _repeats(chance: random.Random) -> dict[str, bool]:
    twice, gives_up = chance.random() < TWICE, chance.random() < GIVES_UP
    return {"twice": twice, "gives_up": gives_up}


def _later(number: int, chance: random.Random) -> Story:
    name = _named(number, "later")
    fate = Fate(results=(name,), steps=(name,))
    delay = round(chance.uniform(0.05, 3.0), 2)
    return _story(number, "later", fate, starts=("plain", "plain"), delay=delay)


def _unnamed(number: int, _chance: random.Random) -> Story:
    says = _named(number, "unnamed")
    payload: dict[str, object] = {"says": says}
    fate = Fate(steps=(says,))
    return Story(
        number, "unnamed", "bare", "bare", "", "", payload, fate, gives_up=True
    )


ORDER = ("order.placed", "order")


def _slowly(chance: random.Random) -> float:
    """Seconds that each step takes: often none; else signals come meanwhile."""
    return chance.choice((0.0, 0.0, 0.0, round(chance.uniform(0.02, 0.15), 2)))


def _order(number: int, chance: random.Random) -> Story:
    name = _named(number, "order")
    signals = chance.randint(2, 5)
    said = [f"{name}/{seq}" for seq in range(signals)]
    return _story(
        number,
        "order",
        Fate(
            results=(list(range(signals)),),
            steps=(f"{name}/reserve", *said, f"{name}/pack", f"{name}/label"),
            emits=tuple(f"{each}/audit" for each in said),
        ),
        starts=ORDER,
        keyed=True,
        told={"signals": signals, "refuse": False, "slow": _slowly(chance)},
        signals=signals,
        by_execution=chance.random() < 0.3,
    )


def _refused(number: int, chance: random.Random) -> Story:
    name = _named(number, "refused")
    signals = chance.randint(1, 3)
    said = [f"{name}/{seq}" for seq in range(signals)]
    undone = [f"undo {each}" for each in (*reversed(said), f"{name}/reserve")]
    return _story(
        number,
        "refused",
        Fate(
            "failed",
            error="workflow_worker.errors.PermanentError",
            steps=(f"{name}/reserve", *said, f"{name}/refuse"),
            undone=tuple(undone),
            emits=tuple(f"{each}/audit" for each in said),
        ),
        starts=ORDER,
        keyed=True,
        told={"signals": signals, "refuse": True},
        signals=signals,
    )


def _cancelled(number: int, _chance: random.Random) -> Story:
    reserve = f"{_named(number, 'cancelled')}/reserve"
    return _story(
        number,
        "cancelled",
        Fate("cancelled", steps=(reserve,), undone=(f"undo {reserve}",)),
        starts=ORDER,
        keyed=True,
        told={"signals": 1, "refuse": False},
        cancel=True,
    )


def _lonely(number: int, chance: random.Random) -> Story:
    name = _named(number, "lonely")
    fate = Fate(results=("nobody came",), steps=(f"{name}/waited",))
    told: dict[str, object] = {"timeout": round(chance.uniform(0.05, 2.0), 2)}
    return _story(number, "lonely", fate, keyed=True, told=told)


def _family(number: int, chance: random.Random) -> Story:
    name = _named(number, "family")
    count = chance.randint(1, 3)
    children = tuple(f"{name}/child{n}" for n in range(count))
    fate = Fate(
        results=(list(children),), steps=(f"{name}/together",), children=children
    )
    return _story(number, "family", fate, told={"children": count})


def _flaky(number: int, chance: random.Random) -> Story:
    name = _named(number, "flaky")
    fails = chance.randint(1, 3)
    category = chance.choice(("transient", "recoverable"))
    fate = Fate(results=(fails + 1,), steps=(name,))
    return _story(number, "flaky", fate, told={"fails": fails, "category": category})


def _sleeper(number: int, chance: random.Random) -> Story:
    name = _named(number, "sleeper")
    naps = [round(chance.uniform(0.02, 1.5), 2) for _ in range(chance.randint(1, 3))]
    steps = tuple(f"{name}/{n}" for n in range(len(naps)))
    fate = Fate(results=(len(naps),), steps=steps)
    return _story(number, "sleeper", fate, told={"naps": naps})


def _locked(number: int, chance: random.Random) -> Story:
    lock = f"lock{chance.randrange(LOCKS)}"
    fate = Fate(results=(lock,), steps=(_named(number, "locked"),))
    return _story(number, "locked", fate, told={"lock": lock})


def _slow(number: int, chance: random.Random) -> Story:
    name = _named(number, "slow")
    seconds = round(chance.uniform(0.1, 1.0), 2)
    fate = Fate(results=(name,), steps=(f"{name}/work", f"{name}/done"))
    return _story(number, "slow", fate, told={"seconds": seconds})


def _doomed(number: int, _chance: random.Random) -> Story:
    name = _named(number, "doomed")
    fate = Fate(results=(name,), steps=(f"{name}/first", f"{name}/mend"))
    return _story(number, "doomed", fate, redrive=True)


def _changing(number: int, _chance: random.Random) -> Story:
    name = _named(number, "changing")
    old = ["1", f"{name}/first", f"{name}/last"]
    new = ["2", f"{name}/first", f"{name}/more", f"{name}/last"]
    fate = Fate(
        results=(old, new),
        steps=(f"{name}/first", f"{name}/last"),
        may=(f"{name}/more",),
    )
    starts = ("changing.begun", "changing")
    return _story(number, "changing", fate, starts=starts, keyed=True, signals=1)


def _renewing(number: int, chance: random.Random) -> Story:
    name = _named(number, "renewing")
    rounds = chance.randint(2, 4)
    steps = tuple(f"{name}/{n}" for n in range(1, rounds + 1))
    told: dict[str, object] = {"round": 1, "rounds": rounds}
    return _story(number, "renewing", Fate(results=(rounds,), steps=steps), told=told)


_MAKERS = {
    "bare": _bare,
    "plain": _plain,
    "later": _later,
    "unnamed": _unnamed,
    "order": _order,
    "refused": _refused,
    "cancelled": _cancelled,
    "lonely": _lonely,
    "family": _family,
    "flaky": _flaky,
    "sleeper": _sleeper,
    "locked": _locked,
    "slow": _slow,
    "doomed": _doomed,
    "changing": _changing,
    "renewing": _renewing,
}
