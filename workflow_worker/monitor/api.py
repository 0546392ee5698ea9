"""Executions, dead letters and the fleet over HTTP: what a client can read and change.

Owns how requests become calls of the client, and their results answers. Redis may be
slow or away: few requests wait for it at a time, none for long, and the others are told
so at once, for health and probes must always find a thread that is free.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

from flask import abort, jsonify, request
from flask.typing import ResponseReturnValue

from workflow_worker.client import Client, Handled
from workflow_worker.model import Json
from workflow_worker.monitor import asked
from workflow_worker.monitor.asked import MOST

log = logging.getLogger(__name__)

View = Callable[..., ResponseReturnValue]

TIMEOUT = 2.0
"""Seconds to connect to Redis, and to wait for each of its answers."""
AT_ONCE = 8
"""Requests that wait for Redis at a time; a browser opens six connections."""
AT_A_TIME = 100
"""Letters that are read at a time where only their ids are wanted."""
REDRIVE_RATE = 500.0
"""Letters a second, so that a request for the most of them takes two seconds."""


class Reads:
    """What changes nothing, one method per path.

    Args:
        client: answers within :data:`TIMEOUT`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def executions(self) -> Json:
        """List executions, the last changed first."""
        these = asked.query(asked.Listing)
        found = self._client.executions(
            these.status or None,
            these.workflow or None,
            these.key or None,
            these.limit,
        )
        return {"executions": [each.as_listed() for each in found]}

    def execution(self, execution_id: str) -> Json:
        """Show one, with its journal."""
        asked.query(asked.Nothing)
        return self._client.execution(execution_id).as_object()

    def fleet(self) -> Json:
        """Show all instances, and how much there is to do."""
        asked.query(asked.Nothing)
        return self._client.fleet().as_object()

    def letters(self) -> Json:
        """List dead letters, the oldest first."""
        these = asked.query(asked.Filters)
        found = self._client.dead_letters(
            **these.chosen, after=these.after or "-", limit=these.limit
        )
        return {"deadLetters": [each.as_object() for each in found]}

    def letter(self, letter_id: str) -> Json:
        """Show one."""
        asked.query(asked.Nothing)
        found = self._client.dead_letters(letter_id)
        if not found:
            abort(
                404,
                f"there is no dead letter {letter_id}: it was retried or purged, or "
                "never was",
            )
        return found[0].as_object()


class Writes:
    """What changes something, one method per path; each is logged.

    Args:
        client: as for :class:`Reads`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def signal(self, execution_id: str) -> Json:
        """Send a signal to one execution, which need not have begun."""
        word = asked.body(asked.Word)
        event_id = self._client.signal(
            execution_id, word.name, word.payload, event_id=word.id or None
        )
        _note("signal %r sent to execution %r", word.name, execution_id)
        return {"eventId": event_id}

    def cancel(self, execution_id: str) -> Json:
        """End one execution, at once or at its next step."""
        asked.body(asked.Nothing)
        status = self._client.cancel(execution_id)
        _note("execution %r cancelled", execution_id)
        return {"status": status}

    def retry(self, execution_id: str) -> Json:
        """Make one execution go on where its journal ends."""
        asked.body(asked.Nothing)
        self._client.retry(execution_id)
        _note("execution %r retried", execution_id)
        return {"status": "running"}

    def redrive(self) -> Json:
        """Give dead letters another try."""
        done = self._handle(functools.partial(self._client.redrive, rate=REDRIVE_RATE))
        _note("%d dead letters redriven", done["done"])
        return done

    def purge(self) -> Json:
        """Remove dead letters for good."""
        done = self._handle(self._client.purge)
        _note("%d dead letters purged", done["done"])
        return done

    def _handle(self, act: Callable[..., Handled]) -> Json:
        choice = asked.body(asked.Choice)
        chosen, most = choice.chosen, choice.limit
        if choice.ids:
            done = act(*choice.ids, **chosen)
            left = self._client.count_dead_letters(*choice.ids, **chosen)
        else:
            # By id: never more than the limit, nor one that came since.
            ids = self._ids(chosen, choice.after or "-", most)
            # Before it acts: what fails again at once has a letter behind these. To
            # count all would be to read all, again with each request.
            left = len(self._ids(chosen, ids[-1], MOST)) if len(ids) == most else 0
            done = act(*ids) if ids else Handled()
        return {
            "done": done.letters,
            "refused": [{"id": each.id, "why": each.why} for each in done.refusals],
            "left": left,
        }

    def _ids(self, chosen: dict[str, Any], after: str, most: int) -> list[str]:
        """Return the ids of letters; of the letters few are held at a time."""
        ids: list[str] = []
        while len(ids) < most:
            some = min(AT_A_TIME, most - len(ids))
            found = self._client.dead_letters(**chosen, after=after, limit=some)
            ids += [each.id for each in found]
            if len(found) < some:
                break
            after = ids[-1]
        return ids


class Turnstile:
    """Lets :data:`AT_ONCE` requests through at a time and sends the others away."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(AT_ONCE)

    def guard(self, page: Callable[..., Json]) -> View:
        """Return a view that passes the turnstile and answers what the page returns."""

        @functools.wraps(page)
        def view(**values: str) -> ResponseReturnValue:
            if not self._free.acquire(blocking=False):
                abort(503, f"{AT_ONCE} requests are waiting for Redis: try again")
            try:
                return jsonify(page(**values))
            finally:
                self._free.release()

        return view


def _note(text: str, *values: object) -> None:
    log.info(f"over HTTP, by %s: {text}", request.remote_addr, *values)  # noqa: G004 - the text is ours
