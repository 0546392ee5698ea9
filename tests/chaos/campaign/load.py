"""Publishers: tell the stories of a plan, and write down what came of each operation.

Owns the order within a story (a signal follows when the outcome of what came before it
is known) and what is tried again. Must never say of an operation more than the client
said: an outcome that is unknown stays so until a repetition is confirmed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.chaos.campaign.history import Journal
from tests.chaos.campaign.pace import Pace
from tests.chaos.campaign.records import PUBLISH, SIGNAL, Sent
from tests.chaos.campaign.stories import Story
from workflow_worker import Client, OutcomeUnknown, Rejected, Unavailable
from workflow_worker.model import Json

MOST_OPEN = 80
"""Stories that a publisher has begun and not told to the end."""
SIZES = (1, 10, 50, 100, 100, 100)
"""Events in one call."""
IN_A_ROW = 0.4
"""Share of signals whose next one is published in the same call."""
BACKLOGS = (50, 200, 2500)
"""Events in the stream at which publishers wait for the workers: now hard on their
heels, so that signals meet executions that wait, now far ahead."""
PATIENCE = 90.0
"""Seconds after which an operation that must succeed is given up: the run is stuck."""


class Operations:
    """One publisher's operations, numbered, and written down as they go."""

    def __init__(self, journal: Journal, over: Callable[[], bool]) -> None:
        self._journal = journal
        self._over = over
        self._number = 0

    def once(
        self, what: str, events: Sequence[Sent], call: Callable[[], object]
    ) -> str:
        """Try it once; returns its outcome."""
        self._number += 1
        return self._try(call, what=what, events=events)

    def until_done(
        self, what: str, events: Sequence[Sent], call: Callable[[], object]
    ) -> None:
        """Try it until it is known to have happened; only what is idempotent.

        Raises:
            TimeoutError: that did not come to pass.
        """
        self._number += 1
        deadline = time.monotonic() + PATIENCE
        while self._try(call, what=what, events=events) != "ok":
            if self._over() or time.monotonic() > deadline:
                message = f"operation {self._number} ({what}) could not be done"
                raise TimeoutError(message)
            time.sleep(0.05)

    def about(self, what: str, execution: str, call: Callable[[], object]) -> str:
        """Try once something about an execution; returns its outcome."""
        self._number += 1
        return self._try(call, what=what, id=execution)

    def _try(self, call: Callable[[], object], **about: object) -> str:
        number = self._number
        self._journal.write(op=number, phase="invoke", **about)
        try:
            call()
        except OutcomeUnknown as error:
            phase, said = "unknown", str(error)
        except (Unavailable, Rejected) as error:
            phase, said = "fail", str(error)
        else:
            self._journal.write(op=number, phase="ok")
            return "ok"
        self._journal.write(op=number, phase=phase, error=said)
        return phase


class Hand(threading.Thread):
    """One publisher.

    Attributes:
        failure: what ended it before its time.
    """

    def __init__(
        self,
        number: int,
        stories: Iterator[Story],
        url: str,
        folder: Path,
        pace: Pace,
        to_cancel: Callable[[Story], object],
        seed: int,
    ) -> None:
        super().__init__(name=f"hand {number}")
        self.failure: BaseException | None = None
        self._fresh = stories
        self._url = url
        self._folder = folder
        self._pace = pace
        self._to_cancel = to_cancel
        self._chance = random.Random(f"{seed} hand {number}")
        self._number = number
        self._open: list[tuple[Story, int]] = []
        """Stories under way, and the number of the signal that is next."""
        self._again: list[Story] = []
        """Stories to be published a second time."""
        self._client: Client
        self._ops: Operations

    def run(self) -> None:
        journal = Journal(self._folder, f"ops-hand{self._number}")
        self._ops = Operations(journal, lambda: self._pace.over)
        try:
            with Client(self._url, "wf", timeout=2) as self._client:
                while self._go_on():
                    pass
        except BaseException as error:  # noqa: BLE001 - the episode judges it
            self.failure = error
            self._pace.end()
        finally:
            journal.close()

    def _go_on(self) -> bool:
        """Publish the next few events; False once there are none."""
        size = self._chance.choice(SIZES)
        fresh = self._next_stories(size)
        signals = self._next_signals(1 + size // 4)
        if not (fresh or signals or self._again) or self._pace.over:
            return False
        loose = [story for story in fresh if story.gives_up]
        named = [story for story in fresh if not story.gives_up]
        again, self._again = self._again, []
        self._publish(loose, sure=False)
        self._publish(named, signals, again, sure=True)
        self._account_for(fresh, signals, again)
        self._keep_pace()
        return True

    def _next_stories(self, size: int) -> list[Story]:
        if len(self._open) >= MOST_OPEN:
            return []
        found: list[Story] = []
        for story in self._fresh:
            found.append(story)
            if len(found) >= size:
                break
        return found

    def _next_signals(self, most: int) -> list[tuple[Story, int]]:
        self._chance.shuffle(self._open)
        taken, self._open = self._open[:most], self._open[most:]
        return [one for story, seq in taken for one in self._in_a_row(story, seq)]

    def _in_a_row(self, story: Story, seq: int) -> Iterator[tuple[Story, int]]:
        """One of its signals, sometimes more: a take may read them together."""
        yield story, seq
        if seq + 1 < story.signals and self._chance.random() < IN_A_ROW:
            yield from self._in_a_row(story, seq + 1)

    def _publish(
        self,
        stories: Sequence[Story],
        signals: Sequence[tuple[Story, int]] = (),
        again: Sequence[Story] = (),
        *,
        sure: bool,
    ) -> None:
        by_key = [one for one in signals if not one[0].by_execution]
        told = [*map(message, stories), *map(message, again)]
        told += [signal(story, seq) for story, seq in by_key]
        sent = [story.sent() for story in (*stories, *again)]
        sent += [story.signal(seq) for story, seq in by_key]
        for first in range(0, len(told), 100):
            chunk = told[first : first + 100]
            how = self._ops.until_done if sure else self._ops.once
            how(
                PUBLISH,
                sent[first : first + 100],
                lambda chunk=chunk: self._client.publish_many(chunk),
            )
        for story, seq in signals:
            if story.by_execution:
                self._signal(story, seq)

    def _signal(self, story: Story, seq: int) -> None:
        one = story.signal(seq)
        self._ops.until_done(
            SIGNAL,
            [one],
            lambda: self._client.signal(
                story.execution, one.name, {"seq": seq}, event_id=one.id
            ),
        )

    def _account_for(
        self,
        fresh: Sequence[Story],
        signals: Sequence[tuple[Story, int]],
        again: Sequence[Story],
    ) -> None:
        self._open += [(story, 0) for story in fresh if story.signals]
        last = {story.number: (story, seq) for story, seq in signals}
        self._open += [(s, n + 1) for s, n in last.values() if n + 1 < s.signals]
        self._again += [story for story in fresh if story.twice]
        for story in fresh:
            if story.cancel:
                self._to_cancel(story)
        emitted = sum(bool(story.fate.emits) for story, _ in signals)
        self._pace.add(len(fresh) + len(signals) + len(again) + emitted)

    def _keep_pace(self) -> None:
        deadline = time.monotonic() + PATIENCE
        most = self._chance.choice(BACKLOGS)
        while not self._pace.over and self._backlog() > most:
            if time.monotonic() > deadline:
                message = "the stream does not get shorter"
                raise TimeoutError(message)
            time.sleep(0.05)

    def _backlog(self) -> int:
        try:
            return self._client.backlog()[0]
        except (Unavailable, Rejected):
            return 0


def message(story: Story) -> Json:
    """The event of a story, as ``publish_many`` takes it."""
    found: Json = {"name": story.event, "payload": story.payload}
    if story.id:
        found["id"] = story.id
    if story.key:
        found["key"] = story.key
    if story.delay:
        found["delay"] = story.delay
    return found


def signal(story: Story, seq: int) -> Json:
    """One of its signals, likewise."""
    one = story.signal(seq)
    return {"name": one.name, "id": one.id, "key": one.key, "payload": {"seq": seq}}
