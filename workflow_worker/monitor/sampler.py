"""What Redis counts, asked again and again by a thread of its own.

Owns how old a figure may be before it is none: no scrape waits for Redis, and none
shows a figure from before an outage as if it were of now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from workflow_worker.broker.connection import Link
from workflow_worker.broker.figures import Figures, figures
from workflow_worker.broker.keys import Partition
from workflow_worker.clock import sleep
from workflow_worker.errors import Rejected, Unavailable
from workflow_worker.settings import Settings

log = logging.getLogger(__name__)

PERIOD = 2.0
"""Seconds between two questions."""
STALE = 7.0
"""Seconds after which an answer says nothing about now."""


class Sampler:
    """Asks for the figures of the fleet.

    Args:
        settings: where Redis is.
        now: monotonic seconds.
    """

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self._link = Link(settings.redis_url)
        self._partition = Partition(settings.workflow_namespace)
        self._now = now
        self._latest: tuple[float, Figures | None] | None = None
        """When Redis was asked last, and the answer; replaced as a whole."""
        self._begun = now()
        self._refused = False

    def run(self) -> None:
        """Ask for ever."""
        while True:
            self.ask()
            sleep(PERIOD)

    def ask(self) -> None:
        """Ask once."""
        asked_at = self._now()
        try:
            answer = figures(self._link, self._partition)
        except (Unavailable, Rejected) as error:
            # The workers say so in the log.
            log.debug("no figures: %s", error)
            self._latest = asked_at, None
        except Exception:  # a question that is refused must not end the probes
            if not self._refused:
                log.exception("the server refuses to tell its figures")
            self._refused = True
            self._latest = asked_at, None
        else:
            self._refused = False
            self._latest = asked_at, answer

    def latest(self) -> Figures | None:
        """Return the last answer; None if there is none of the last seconds."""
        if self._latest is None or self._now() - self._latest[0] > STALE:
            return None
        return self._latest[1]

    @property
    def knows(self) -> bool:
        """Whether Redis had the time to answer since this process began."""
        return self._latest is not None or self._now() - self._begun > STALE
