"""What the demo found, number by number, and whether it adds up.

Owns what was to be expected and how it is shown. It must never ask anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workflow_worker.model import Json

EXPIRED, BROKEN = "expired", "broken"
"""The two ways in which orders of the demo fail on purpose."""

ITEMS = ("tea", "honey", "cups", "a kettle")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which events are published, and so what has to come of them.

    Attributes:
        orders: how many orders.
    """

    orders: int

    def fault(self, number: int) -> str:
        """Return how this order fails; empty if it does not."""
        if number % 25 == 7:  # noqa: PLR2004 - any few
            return EXPIRED
        return BROKEN if number % 60 == 11 else ""  # noqa: PLR2004 - likewise

    def events(self) -> Iterator[Json]:
        """Give each order as an event to publish, the first one twice."""
        for number in range(self.orders):
            yield self._event(number)
        yield self._event(0)

    def _event(self, number: int) -> Json:
        order, fault = f"o-{number}", self.fault(number)
        payload: Json = {
            "order_id": order,
            "cents": "a lot" if fault == BROKEN else 500 + 37 * number,
            "card": EXPIRED if fault == EXPIRED else "visa",
            "items": list(ITEMS[: 1 + number % len(ITEMS)]),
        }
        return {"name": "order.placed", "payload": payload, "key": order, "id": order}

    @property
    def failing(self) -> frozenset[str]:
        """Ids of the orders that fail."""
        return frozenset(f"o-{n}" for n in range(self.orders) if self.fault(n))

    @property
    def succeeding(self) -> int:
        """How many events succeed: each good order, and what it emits."""
        return 2 * (self.orders - len(self.failing))

    @property
    def total(self) -> int:
        """How many events are processed."""
        return self.succeeding + len(self.failing)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, as far as the demo looks at it."""

    event_id: str
    category: str
    error_type: str
    message: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What the service, its database and its health endpoint say at the end.

    Attributes:
        published: ids that publishing returned.
        stats: the counters in Redis.
        letters: the dead letters.
        health: the last answer of the health endpoint.
        shares: events processed, by worker.
        backlog: entries left in the stream, and how many of them are leased.
        exit_status: of the service.
        seconds: from the first publish to the last commit.
        said: the last lines of the service's log.
    """

    published: tuple[str, ...]
    stats: dict[str, int]
    letters: tuple[Letter, ...]
    health: Json
    shares: dict[int, int]
    backlog: tuple[int, int]
    exit_status: int
    seconds: float
    said: tuple[str, ...] = ()

    def unplanned(self, plan: Plan) -> list[Letter]:
        """Return the dead letters that should not be."""
        return [each for each in self.letters if each.event_id not in plan.failing]


@dataclass(frozen=True, slots=True)
class Check:
    """One number that has to add up."""

    what: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        """Tell whether it does."""
        return self.expected == self.found


def checks(plan: Plan, workers: int, found: Findings) -> list[Check]:
    """Return every number of the demo beside what it has to be."""
    stats, health, failing = found.stats, found.health, len(plan.failing)
    failed = frozenset(letter.event_id for letter in found.letters)
    return [
        Check("orders published", plan.orders, len(set(found.published))),
        Check("events succeeded", plan.succeeding, stats.get("events_succeeded", 0)),
        Check("events failed", failing, stats.get("events_failed", 0)),
        Check("events published twice", 1, stats.get("events_duplicate", 0)),
        Check("events nobody wants", 0, stats.get("events_ignored", 0)),
        Check("dead letters", failing, len(found.letters)),
        Check("of them planned", failing, len(failed & plan.failing)),
        Check("health: workers healthy", workers, health.get("healthyWorkers")),
        Check("health: succeeded", plan.succeeding, health.get("eventsSucceeded")),
        Check("health: failed", failing, health.get("eventsFailed")),
        Check("health: processed", plan.total, health.get("eventsProcessed")),
        Check("workers: processed", plan.total, sum(found.shares.values())),
        Check("left in the stream", 0, found.backlog[0]),
        Check("left pending", 0, found.backlog[1]),
        Check("exit status of the service", 0, found.exit_status),
    ]


def as_text(found: Findings, made: Iterable[Check]) -> str:
    """Return the table of what happened."""
    rows = [("", "expected", "found", "")]
    rows += [
        (c.what, str(c.expected), str(c.found), "" if c.holds else "<- off")
        for c in made
    ]
    lines = [f"{a:28}{b:>10}{c:>10}  {d}".rstrip() for a, b, c, d in rows]
    lines += ["", "dead letters by error"]
    for (category, kind), count in sorted(_by_error(found.letters).items()):
        lines.append(f"  {kind} ({category}): {count}")
    lines += ["", "share of each worker"]
    for slot, count in sorted(found.shares.items()):
        lines.append(f"  worker {slot}: {count}")
    rate = sum(found.shares.values()) / found.seconds
    retries = found.stats.get("retries", 0)
    lines += ["", f"{retries} retries, {found.seconds:.2f} s, {rate:.0f} events/s"]
    return "\n".join(lines)


def as_object(found: Findings, made: Iterable[Check]) -> Json:
    """Return the same for programs."""
    made = list(made)
    return {
        "ok": all(check.holds for check in made),
        "checks": [
            {"what": c.what, "expected": c.expected, "found": c.found, "ok": c.holds}
            for c in made
        ],
        "deadLetters": [
            {"category": category, "errorType": kind, "count": count}
            for (category, kind), count in sorted(_by_error(found.letters).items())
        ],
        "workers": {str(slot): count for slot, count in found.shares.items()},
        "retries": found.stats.get("retries", 0),
        "seconds": round(found.seconds, 3),
    }


def _by_error(letters: Iterable[Letter]) -> Counter[tuple[str, str]]:
    return Counter((letter.category, letter.error_type) for letter in letters)
