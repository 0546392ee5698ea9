"""Calls of on_dead_letter: for dead letters only, and only as many as fit."""

from __future__ import annotations

import threading

import pytest

from tests.unit.memory import task
from workflow_worker import App, DeadLetterNotice
from workflow_worker.broker.commit import Landed
from workflow_worker.clock import monotonic
from workflow_worker.model import Decision, Failure, Outcome
from workflow_worker.worker.notices import MOST, Notices

FAILED = Decision(Outcome.FAILED, failure=Failure("permanent", "Boom", "as asked"))


class Told:
    """A hook that waits until it may go on."""

    def __init__(self) -> None:
        self.app = App("told")
        self.notices: list[DeadLetterNotice] = []
        self.go_on = threading.Event()

        @self.app.on_dead_letter
        def told(notice: DeadLetterNotice) -> None:
            self.go_on.wait(20)
            self.notices.append(notice)


@pytest.fixture
def told() -> Told:
    return Told()


def test_only_what_became_a_dead_letter_is_told(told: Told) -> None:
    notices = Notices(told.app.hooks)
    notices.start()
    told.go_on.set()
    notices.committed(
        [
            ((task("lost"), FAILED), Landed.LOST),
            ((task("cancelled"), FAILED), Landed.CANCELLED),
            ((task("fine"), Decision(Outcome.COMPLETED)), Landed.COMMITTED),
            ((task("buried"), FAILED), Landed.COMMITTED),
        ]
    )
    notices.end(monotonic() + 20)
    [notice] = told.notices
    assert (notice.workflow, notice.error_type) == ("buried", "Boom")


def test_what_there_is_no_room_for_is_dropped_with_a_warning(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    notices = Notices(told.app.hooks)
    dead = ((task(), FAILED), Landed.COMMITTED)
    notices.committed([dead] * (MOST + 3))
    assert "not called for 3 dead letters" in caplog.text

    notices.start()
    told.go_on.set()
    notices.end(monotonic() + 20)
    assert len(told.notices) == MOST


def test_the_end_does_not_wait_for_a_hook_without_end(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    notices = Notices(told.app.hooks)
    notices.start()
    notices.committed([((task(), FAILED), Landed.COMMITTED)])

    notices.end(0.0)

    assert "did not end in time" in caplog.text
    told.go_on.set()
