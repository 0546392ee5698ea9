"""Who cancels what the plan says, and redrives dead letters that are made on purpose.

Owns a thread of its own, for both have to wait for what executions do. Must never touch
an execution that the plan leaves alone.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from pathlib import Path

from tests.chaos.campaign.history import Journal
from tests.chaos.campaign.load import Operations
from tests.chaos.campaign.pace import Pace
from tests.chaos.campaign.records import CANCEL, REDRIVE
from tests.chaos.campaign.stories import Story
from workflow_worker import Client, Rejected, Unavailable
from workflow_worker.client import DeadLetter
from workflow_worker.errors import ExecutionNotFound, NotPossible

DOOMED = "doomed"
ENDED = ("completed", "failed", "cancelled")
PAUSE = 1.0
"""Seconds between two rounds."""


class Operator(threading.Thread):
    """Cancels and redrives until it is told that there is nothing to come."""

    def __init__(self, url: str, folder: Path, pace: Pace) -> None:
        super().__init__(name="operator")
        self.failure: BaseException | None = None
        self._url = url
        self._folder = folder
        self._pace = pace
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._left: list[str] = []
        self._leave = threading.Event()
        self._mended = folder / "mended"
        """A file for every doomed execution that may succeed now."""
        self._mended.mkdir()
        self._client: Client
        self._ops: Operations

    def cancel(self, story: Story) -> None:
        """Cancel its execution once it has begun."""
        self._waiting.put(story.execution)

    def leave(self) -> None:
        """End; what is not done stays so."""
        self._leave.set()

    def run(self) -> None:
        journal = Journal(self._folder, "ops-operator")
        self._ops = Operations(journal, lambda: self._pace.over)
        try:
            with Client(self._url, "wf", timeout=2) as self._client:
                while not self._leave.wait(PAUSE):
                    self._cancel_some()
                    self._redrive_some()
        except BaseException as error:  # noqa: BLE001 - the episode judges it
            self.failure = error
        finally:
            journal.close()

    def _cancel_some(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._left.append(self._waiting.get_nowait())
        self._left = [each for each in self._left if not self._cancelled(each)]

    def _cancelled(self, execution: str) -> bool:
        try:
            status = self._client.execution(execution).status
        except (ExecutionNotFound, Unavailable, Rejected):
            return False
        # It waits once all that is to come before the cancelling has happened.
        if status == "waiting":
            self._ops.about(CANCEL, execution, lambda: self._do(execution))
        return status in ENDED

    def _do(self, execution: str) -> None:
        # It has ended: an earlier try was carried out, and nobody heard of it.
        with contextlib.suppress(NotPossible):
            self._client.cancel(execution)

    def _redrive_some(self) -> None:
        with contextlib.suppress(Unavailable, Rejected):
            for letter in self._client.dead_letters(workflow=DOOMED, limit=100):
                self._redrive(letter)

    def _redrive(self, letter: DeadLetter) -> None:
        (self._mended / letter.execution_id).touch()
        # One that an unanswered try has redriven is gone; else it is seen again.
        self._ops.about(
            REDRIVE, letter.execution_id, lambda: self._client.redrive(letter.id)
        )
