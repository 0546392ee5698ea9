"""What a client tells of the whole: its instances, and how much there is to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from workflow_worker.broker.figures import Figures, figures
from workflow_worker.broker.instances import Instance, instances
from workflow_worker.clock import timestamp
from workflow_worker.model import Json

if TYPE_CHECKING:
    from workflow_worker.broker.connection import Link
    from workflow_worker.broker.keys import Partition
    from workflow_worker.broker.links import Links


class Fleet(msgspec.Struct, frozen=True):
    """All instances on one Redis and namespace, and what is queued for them.

    Attributes:
        instances: by name, those that live before those that are lost.
        figures: of the stream, the timers and the executions.
    """

    instances: list[Instance]
    figures: Figures

    @property
    def living(self) -> list[Instance]:
        """The instances that give signs of life."""
        return [each for each in self.instances if not each.lost]

    @property
    def events_per_second(self) -> float:
        """What all that live do together, over their last ten seconds."""
        return round(sum(each.events_per_second for each in self.living), 1)

    def as_object(self) -> Json:
        """Return it as a JSON object; times in ms, None where there is none."""
        its = self.figures
        return {
            "timestamp": timestamp(its.server_ms),
            "instances": [each.as_object() for each in self.instances],
            "eventsPerSecond": self.events_per_second,
            "backlog": its.backlog,
            "pending": its.pending,
            "oldestWaitingMs": its.oldest_waiting_ms,
            "oldestPendingMs": its.oldest_pending_ms,
            "timers": its.timers,
            "nextTimerMs": its.next_timer_ms,
            "deadLetters": its.dead_letters,
            "counters": its.counters,
            "executions": its.executions,
        }


class Overview:
    """The part of a client that looks at the fleet as a whole."""

    _partition: Partition
    _links: Links

    def fleet(self) -> Fleet:
        """Return all instances and the figures of the whole; two round trips, no scan.

        An instance that died without a word is shown as lost for ten minutes.
        """

        def look(link: Link) -> Fleet:
            found = instances(link, self._partition)
            return Fleet(found, figures(link, self._partition))

        return self._links.call(look)
