"""Waiting until executions have ended: polls, and knows when there is no use in it.

Owns the pace. Nothing here writes, so an outage of the server that is shorter than the
client's timeout is waited out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workflow_worker.broker import control, queued
from workflow_worker.broker.connection import Link
from workflow_worker.broker.executions import CLOSED, Execution, executions
from workflow_worker.broker.keys import Partition
from workflow_worker.broker.links import Links
from workflow_worker.broker.queued import Wanted
from workflow_worker.clock import monotonic, sleep
from workflow_worker.errors import ExecutionNotFound, Unavailable

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.002, 0.25, 1.5
"""Seconds between two looks, and how they grow."""
BETWEEN_SEARCHES = 1.0
"""Seconds between two searches of the backlog, which may be long."""
SHARE = 10
"""A search takes at most one part of the time in so many."""

Found = dict[str, Execution]
Ended = list[Execution]


class Pace:
    """Pauses that grow, up to a deadline.

    Args:
        timeout: seconds until it is over; None for never.
    """

    def __init__(self, timeout: float | None) -> None:
        self._deadline = None if timeout is None else monotonic() + timeout
        self._pause = FIRST_PAUSE

    def rest(self) -> bool:
        """Sleep a little longer than the last time; False once the time is over."""
        left = LONGEST_PAUSE if self._deadline is None else self._deadline - monotonic()
        if left <= 0:
            return False
        sleep(min(self._pause, left))
        self._pause = min(self._pause * GROWTH, LONGEST_PAUSE)
        return True


class Search:
    """Whether an event is still queued, as of a moment ago.

    Args:
        partition: where.
        wanted: the event.
        hint: where it may be.
    """

    def __init__(self, partition: Partition, wanted: Wanted, hint: str) -> None:
        self._partition = partition
        self._wanted = wanted
        self._hint = hint
        self._next = monotonic()

    def queued(self, link: Link) -> bool:
        """Look, if it is time to; until then it still is."""
        begun = monotonic()
        if begun < self._next:
            return True
        place = queued.find(link, self._partition, self._wanted, self._hint)
        ended = monotonic()
        self._next = ended + max(BETWEEN_SEARCHES, SHARE * (ended - begun))
        self._hint = place or self._hint
        return bool(place)


class Wait:
    """A wait for the end of executions that some event starts.

    Args:
        links: connections.
        partition: where.
        expected: reads the ids of the executions, as far as they are known.
        search: for the event.
        missing: sentence for an event that is over and left no record.
    """

    def __init__(
        self,
        links: Links,
        partition: Partition,
        expected: Callable[[Link], Iterable[str]],
        search: Search,
        missing: str,
    ) -> None:
        self._links = links
        self._partition = partition
        self._read_expected = expected
        self._search = search
        self._missing = missing
        self._expected: set[str] = set()
        self._found: Found = {}
        self._over = False
        """The event is not queued any more: what has no record gets none."""

    def until_ended(self, timeout: float | None) -> Ended:
        """Return the executions once all have ended, in the order of their ids.

        Args:
            timeout: seconds; None for as long as it takes.

        Raises:
            TimeoutError: not within the timeout.
            ExecutionNotFound: the event left no record, or that was forgotten.
            Unavailable: Redis was away for longer than the client's timeout.
        """
        pace = Pace(timeout)
        while (ended := self._patient_look(pace)) is None:
            if not pace.rest():
                raise TimeoutError(f"{self._state()} after {timeout:g} s")
        return ended

    def _patient_look(self, pace: Pace) -> Ended | None:
        away_since = monotonic()
        while True:
            try:
                return self._links.call(self._look)
            except Unavailable:
                if monotonic() - away_since >= self._links.timeout or not pace.rest():
                    raise

    def _look(self, link: Link) -> Ended | None:
        self._read(link)
        if not self._complete and not self._over and not self._search.queued(link):
            # It may have begun, or even ended, between the two looks.
            self._over = True
            self._read(link)
        if self._over and not self._found:
            raise ExecutionNotFound(self._missing)
        if not self._over and not self._complete:
            return None
        ended = list(self._found.values())  # read, and so found, in the order of ids
        return ended if all(each.status in CLOSED for each in ended) else None

    @property
    def _complete(self) -> bool:
        return bool(self._expected) and len(self._found) == len(self._expected)

    def _read(self, link: Link) -> None:
        self._expected.update(self._read_expected(link))
        found = executions(link, self._partition, sorted(self._expected))
        forgotten = self._found.keys() - found.keys()
        if forgotten:
            raise ExecutionNotFound(
                f"execution {min(forgotten)} has ended, but its record was not kept: "
                "RESULT_TTL_MS, RESULT_LIMIT and result_ttl= say for how long it is"
            )
        self._found = found

    def _state(self) -> str:
        if not self._found:
            return "its event is still queued"
        shown = (f"execution {each.id} is {each.status}" for each in self._open())
        return ", ".join(shown) or "not everything that its event starts has begun"

    def _open(self) -> Ended:
        return [each for each in self._found.values() if each.status not in CLOSED]


def for_execution(links: Links, partition: Partition, execution_id: str) -> Wait:
    """Prepare to wait for one execution."""
    return Wait(
        links,
        partition,
        lambda _: (execution_id,),
        Search(
            partition,
            queued.starting(partition, execution_id),
            execution_id.partition("-")[2],
        ),
        f"execution {execution_id} is neither queued nor recorded: it never was, is "
        "forgotten, or left nothing to remember; publish with keep=True where the "
        "result matters",
    )


def for_event(links: Links, partition: Partition, name: str, event_id: str) -> Wait:
    """Prepare to wait for whatever an event starts."""

    def expected(link: Link) -> list[str]:
        workflows = control.started_by(link, partition, name)
        return [f"{partition.number}-{event_id}.{each}" for each in workflows]

    return Wait(
        links,
        partition,
        expected,
        Search(partition, queued.event(event_id), event_id),
        f"event {event_id} is over and left no execution to wait for: the running "
        f"services start none for {name}, or what it started is forgotten",
    )
