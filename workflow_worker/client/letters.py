"""What a client does about dead letters: read, redrive, purge.

Owns the pace: many letters are handled page by page, so that neither memory nor the
server is held up, and live work goes first. Only what was there when a call began is
touched: a letter that comes of a redrive is not redriven by the same call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from workflow_worker.broker import figures, letters
from workflow_worker.broker.letters import DeadLetter, Reading, Selection
from workflow_worker.client import times
from workflow_worker.client.pacing import CHUNK, Handled, Pace, Progress, Tally

if TYPE_CHECKING:
    from workflow_worker.broker.keys import Partition
    from workflow_worker.broker.links import Links
    from workflow_worker.settings import Settings

RATE = 100.0
"""Letters a second: 100,000 take a quarter of an hour, beside a service that does
thousands of events a second."""
BACKLOG = 1000
"""Events in the stream at which a redrive waits: some seconds of work at most."""

_REASONS = {
    "gone": "there is no such dead letter: it was retried or purged meanwhile",
    "undone": "its compensations have run, so what its journal says is undone: publish "
    "its event anew, then purge the letter",
    "child": "its execution is forgotten, and its parent would not hear of a new one: "
    "retry the parent, or publish its event anew",
    "full": "there is still no room for it: INBOX_LIMIT signals are waiting there",
    "ended": "the execution it is a signal for has ended",
    "duplicate": "another event with its id came since, and is the one that counts",
    "wide": "its event has more than 500 fields: it would be refused again",
}
_DONE = frozenset(("retried", "restarted", "published", "delivered", "again"))
_RUNNING_AGAIN = frozenset(("retried", "restarted"))


class Letters:
    """The part of a client that deals with dead letters."""

    _settings: Settings
    _partition: Partition
    _links: Links

    def dead_letters(
        self,
        *ids: str,
        workflow: str | None = None,
        error_type: str | None = None,
        older_than: float | timedelta | None = None,
        limit: int = 100,
        after: str = "-",
    ) -> list[DeadLetter]:
        """Return dead letters that fit all that is given, oldest first.

        Args:
            ids: of letters, and in this order.
            workflow: only those of this workflow.
            error_type: only those of this error: ``shop.Empty`` or just ``Empty``.
            older_than: only those written so many seconds ago, or a timedelta, by the
                server's clock.
            limit: most letters returned.
            after: id of the last letter already seen.

        Raises:
            ValueError: ``older_than`` is no duration.
        """
        selection = self._selection(ids, workflow, error_type, older_than)
        found: list[DeadLetter] = []
        for page in self._pages(Reading(selection, after)):
            found += page
            if len(found) >= limit:
                break
        return found[: max(limit, 0)]

    def count_dead_letters(
        self,
        *ids: str,
        workflow: str | None = None,
        error_type: str | None = None,
        older_than: float | timedelta | None = None,
    ) -> int:
        """Return how many dead letters fit, as for :meth:`dead_letters`.

        Reads every letter if anything but all is asked for.
        """
        filters = (workflow, error_type, older_than)
        if not ids and all(each is None for each in filters):
            return self._links.call(lambda link: letters.stored(link, self._partition))
        selection = self._selection(ids, workflow, error_type, older_than)
        return sum(map(len, self._pages(Reading(selection))))

    def redrive(
        self,
        *ids: str,
        workflow: str | None = None,
        error_type: str | None = None,
        older_than: float | timedelta | None = None,
        everything: bool = False,
        rate: float = RATE,
        backlog: int = BACKLOG,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
    ) -> Handled:
        """Give dead letters that fit all that is given another try, oldest first.

        A failed execution goes on from its journal; what never came to one is put back
        into the stream, and is not counted a second time. Each letter leaves in the
        same step that does it: a call that is stopped or fails loses nothing, and can
        be repeated. Letters that are written meanwhile are left for the next call.

        Args:
            ids: of letters.
            workflow: as for :meth:`dead_letters`.
            error_type: likewise.
            older_than: likewise.
            everything: all of them, if nothing else is given.
            rate: most letters a second.
            backlog: waits while so many events are in the stream, or more; not for
                letters that are named.
            stop: set it, from another thread or a signal handler, to stop early.
            progress: called after each step with what was done so far, and when a wait
                for the backlog begins.

        Raises:
            ValueError: nothing is selected, or a number is none that can be used.
            Unavailable: Redis can't be reached; ``progress`` knows how far it came.
        """
        _require_some(ids, workflow, error_type, older_than, everything)
        if not rate > 0 or backlog < 1:
            raise ValueError("rate must be more than 0, and backlog at least 1")
        done = Tally(progress)
        pace = Pace(rate, stop, done, backlog=None if ids else backlog)
        reading = Reading(self._selection(ids, workflow, error_type, older_than))
        for chunk in _chunks(self._pages(reading), pace.chunk):
            if not pace.wait(len(chunk), self._backlog):
                return done.stopped()
            pace.waiting, answers = self._redrive(chunk)
            for letter, answer in zip(chunk, answers, strict=True):
                if answer in _DONE:
                    again = answer in _RUNNING_AGAIN
                    done.add(letter.workflow, with_execution=again)
                else:
                    done.refuse(letter.id, _why(letter, answer))
            done.tell()
        return done.ended(reading.missing)

    def purge(
        self,
        *ids: str,
        workflow: str | None = None,
        error_type: str | None = None,
        older_than: float | timedelta | None = None,
        everything: bool = False,
        confirm: Callable[[int], bool] | None = None,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
    ) -> Handled:
        """Remove dead letters that fit all that is given, for good.

        A failed execution leaves with its letter: record, journal, everything.

        Args:
            ids: of letters.
            workflow: as for :meth:`dead_letters`.
            error_type: likewise.
            older_than: likewise.
            everything: as for :meth:`redrive`.
            confirm: asked before anything is removed, with the number of letters;
                nothing is removed unless it says so.
            stop: as for :meth:`redrive`.
            progress: called after each step with what was done so far.

        Raises:
            ValueError, Unavailable: as for :meth:`redrive`.
        """
        _require_some(ids, workflow, error_type, older_than, everything)
        selection = self._selection(ids, workflow, error_type, older_than)
        done, reading = Tally(progress), Reading(selection)
        if confirm is not None:
            count = sum(map(len, self._pages(Reading(selection))))
            if count and not confirm(count):
                return done.stopped()
        for chunk in _chunks(self._pages(reading), CHUNK):
            if stop is not None and stop.is_set():
                return done.stopped()
            for letter, answer in zip(chunk, self._purge(chunk), strict=True):
                if answer:
                    done.add(letter.workflow, with_execution=answer > 1)
                else:
                    done.refuse(letter.id, _REASONS["gone"])
            done.tell()
        return done.ended(reading.missing)

    def _redrive(self, chunk: list[DeadLetter]) -> tuple[int, list[str]]:
        ids, its = [letter.id for letter in chunk], self._settings
        return self._links.call(
            lambda link: letters.redrive(
                link,
                self._partition,
                ids,
                early_ttl_ms=its.early_ttl_ms,
                inbox_limit=its.inbox_limit,
                dedup_ttl_ms=its.dedup_ttl_ms,
            )
        )

    def _purge(self, chunk: list[DeadLetter]) -> list[int]:
        ids = [letter.id for letter in chunk]
        return self._links.call(lambda link: letters.purge(link, self._partition, ids))

    def _selection(
        self,
        ids: tuple[str, ...],
        workflow: str | None,
        error_type: str | None,
        older_than: float | timedelta | None,
    ) -> Selection:
        age = None
        if older_than is not None:
            age = round(times.seconds(older_than, "older_than") * 1000)
        upto = self._links.call(lambda link: letters.last(link, self._partition, age))
        return Selection(ids, workflow, error_type, upto)

    def _pages(self, reading: Reading) -> Iterator[list[DeadLetter]]:
        while not reading.over:
            yield self._links.call(lambda link: reading.page(link, self._partition))

    def _backlog(self) -> int:
        return self._links.call(lambda link: figures.backlog(link, self._partition))[0]


def _require_some(
    ids: tuple[str, ...],
    workflow: str | None,
    error_type: str | None,
    older_than: float | timedelta | None,
    everything: bool,
) -> None:
    filters = (workflow, error_type, older_than)
    if not ids and not everything and all(each is None for each in filters):
        raise ValueError(
            "which dead letters? Give ids, workflow=, error_type= or older_than=, or "
            "everything=True"
        )


def _chunks(pages: Iterator[list[DeadLetter]], size: int) -> Iterator[list[DeadLetter]]:
    for page in pages:
        for first in range(0, len(page), size):
            yield page[first : first + size]


def _why(letter: DeadLetter, answer: str) -> str:
    kind, _, text = answer.partition(" ")
    if kind == "error":
        return f"its keys can't be used: {text}"
    return _REASONS.get(answer) or (
        f"execution {letter.execution_id} is {answer}, and not because of this letter"
    )
