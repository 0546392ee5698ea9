"""An action that takes too long has failed, and is tried again like any other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.flaky import LATER_MS, Flaky
from tests.unit.memory import (
    EVENT,
    Memory,
    entries_of,
    rerun,
    run,
    task,
)
from workflow_worker import (
    App,
    Context,
    RecoverableError,
    RetryPolicy,
    TransientError,
    current_action,
)
from workflow_worker.errors import LeaseLost, TimeUp
from workflow_worker.model import Outcome, Overdue
from workflow_worker.runtime.execute import Runner

# --- time limits


def test_the_time_of_an_action_is_counted_per_try() -> None:
    flaky = Flaky(TransientError("blip"), timeout=5)
    effects = Memory()

    run(flaky.flow(), effects=effects)

    assert effects.seen.count("limit 5") == 2


def test_an_action_stopped_by_its_limit_has_failed_recoverably() -> None:
    flaky = Flaky(TimeUp(), timeout=5)

    decision = run(flaky.flow())

    assert decision.outcome is Outcome.RETRYING
    (kept,) = entries_of(Memory(), decision)
    assert kept.error is not None
    assert kept.error.type == "workflow_worker.errors.ActionTimeout"
    assert kept.error.message == "action call took longer than 5 s"
    assert kept.error.category == "recoverable"


def test_a_bare_except_in_the_action_does_not_hide_the_limit() -> None:
    app = App("shop")

    @app.action(timeout=5, max_retries=0)
    def stubborn() -> None:
        try:
            raise TimeUp  # noqa: TRY301 - as the limiter does
        except BaseException as error:
            raise ValueError("mine") from error

    class Hit(Memory):
        def enter(self, *args: Any, **kwargs: Any) -> Any:
            watch = super().enter(*args, **kwargs)
            watch.hit = True
            return watch

    app.workflow(on="a", name="flow")(lambda ctx: stubborn())
    decision = run(app, effects=Hit())

    assert decision.failure is not None
    assert decision.failure.error_type == "workflow_worker.errors.ActionTimeout"


def test_what_took_its_worker_with_it_counts_as_a_try() -> None:
    flaky = Flaky(timeout=5, max_retries=1)
    app = flaky.flow()
    hung = msgspec.structs.replace(task(), overdue=Overdue("1-0", 1, "call"))

    decision = Runner(app, max_payload_bytes=1000).run(hung, Memory())

    assert decision.outcome is Outcome.RETRYING
    assert flaky.attempts == [], "it was not run again to find out"
    (kept,) = entries_of(Memory(), decision)
    assert kept.kind == "try"
    assert kept.error is not None
    assert "its worker was killed" in kept.error.message

    hung = msgspec.structs.replace(hung, journal=decision.entries)
    effects = Memory(decision.entries)
    effects.skipped_ms = LATER_MS
    noted = Runner(app, max_payload_bytes=1000).run(hung, effects)
    assert noted.outcome is Outcome.RETRYING, "it goes on in an entry of its own"
    journal = effects.journal + noted.entries
    assert run(app, journal=journal).outcome is Outcome.FAILED
    assert flaky.attempts == []


def test_the_try_after_a_kill_never_begins_in_the_same_run() -> None:
    flaky = Flaky(timeout=5, retry=RetryPolicy(base=0.001))
    hung = msgspec.structs.replace(task(), overdue=Overdue("1-0", 1, "call"))
    effects = Memory()
    effects.patient = True

    noted = Runner(flaky.flow(), max_payload_bytes=1000).run(hung, effects)

    assert noted.outcome is Outcome.RETRYING
    assert flaky.attempts == []


def test_a_heartbeat_begins_the_time_anew_and_stops_what_lost_its_lease() -> None:
    app = App("shop")
    effects = Memory()

    @app.action(timeout=5)
    def long() -> None:
        current_action().heartbeat()
        effects.lose_lease = True
        current_action().heartbeat()
        raise AssertionError("it went on without its lease")

    app.workflow(on="a", name="flow")(lambda ctx: long())

    with pytest.raises(LeaseLost):
        run(app, effects=effects)
    assert effects.seen[-1] == "heartbeat"


def test_event_is_the_same_on_every_try() -> None:
    flaky = Flaky(RecoverableError("busy"))
    keys = set()

    def flow(ctx: Context) -> int:
        keys.add(ctx.event.key)
        return flaky.call(7)

    effects = Memory()
    app = flaky.flow(flow)
    rerun(app, run(app, effects=effects), effects)

    assert keys == {EVENT.key}
