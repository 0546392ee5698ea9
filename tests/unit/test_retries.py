"""An action that fails is tried again: at once, or later without holding a thread."""

from __future__ import annotations

import pytest

from tests.unit.flaky import Flaky, later
from tests.unit.memory import (
    Memory,
    Shop,
    completed,
    entries_of,
    rerun,
    run,
    signal,
)
from workflow_worker import (
    ActionFailed,
    Context,
    PermanentError,
    RecoverableError,
    RetryPolicy,
    TransientError,
)
from workflow_worker.errors import LeaseLost
from workflow_worker.model import Decision, Outcome

DONE = Decision(Outcome.COMPLETED)


def kinds(effects: Memory, decision: Decision) -> list[tuple[int, str, int]]:
    found = entries_of(effects, decision)
    return [(entry.ordinal, entry.kind, entry.attempt) for entry in found]


def test_a_transient_error_is_tried_again_in_the_thread() -> None:
    flaky = Flaky(TransientError("blip"))
    effects = Memory()

    decision = run(flaky.flow(), effects=effects)

    assert completed(decision) == b"7"
    assert kinds(effects, decision) == [(1, "try", 1), (1, "action", 2)]


def test_whoever_counts_is_told_of_every_try() -> None:
    flaky = Flaky(TransientError("blip"), RecoverableError("busy"), max_retries=2)
    effects = Memory()
    app = flaky.flow()

    again = later(effects, run(app, effects=effects))
    run(app, journal=again.journal, effects=again)

    assert effects.tries == [
        ("call", "transient", False),
        ("call", "recoverable", False),
    ]
    assert again.tries == [("call", "", True)]


def test_a_failed_try_is_durable_before_the_next_one_begins() -> None:
    flaky = Flaky(TransientError("blip"))
    effects = Memory()

    run(flaky.flow(), effects=effects)

    assert effects.seen == ["start call", "append 1", "start call"]


def test_a_recoverable_error_gives_the_thread_up_until_the_next_try_is_due() -> None:
    flaky = Flaky(RecoverableError("busy"))
    effects = Memory()
    app = flaky.flow()

    first = run(app, effects=effects)

    assert first.outcome is Outcome.RETRYING
    assert first.attempt == 0, "the workflow itself is not tried again"
    assert first.wait is not None
    assert first.wait.again_ms is not None
    again = later(effects, first)
    assert completed(run(app, journal=again.journal, effects=again)) == b"7"
    assert flaky.attempts == [1, 2]


def test_a_run_before_the_next_try_is_due_does_not_try() -> None:
    flaky = Flaky(RecoverableError("busy"))
    effects = Memory()
    effects.chance = 0.99
    app = flaky.flow()
    first = run(app, effects=effects)

    second = rerun(app, first, effects)

    assert second.outcome is Outcome.RETRYING
    assert second.wait == first.wait
    assert flaky.attempts == [1]


def test_the_timer_says_that_a_try_is_due_whatever_the_clock_says() -> None:
    flaky = Flaky(RecoverableError("busy"))
    effects = Memory()
    effects.chance = 0.99
    app = flaky.flow()
    first = run(app, effects=effects)

    assert completed(rerun(app, first, effects, fired=1)) == b"7"


def test_a_short_delay_is_spent_in_the_thread() -> None:
    flaky = Flaky(RecoverableError("busy"), retry=RetryPolicy(base=0.001))
    effects = Memory()
    effects.patient = True

    assert completed(run(flaky.flow(), effects=effects)) == b"7"
    assert flaky.attempts == [1, 2]


def test_attempts_survive_a_crash() -> None:
    flaky = Flaky(TransientError("1"), LeaseLost())
    effects = Memory()
    app = flaky.flow()
    with pytest.raises(LeaseLost):
        run(app, effects=effects)

    run(app, journal=effects.journal, effects=later(effects, DONE))

    assert flaky.attempts == [1, 2, 2], "the second try never came to an end"


def test_after_max_retries_the_workflow_gets_the_error() -> None:
    flaky = Flaky(*[TransientError(str(n)) for n in range(9)], max_retries=2)
    effects = Memory()
    effects.patient = True

    decision = run(flaky.flow(), effects=effects)

    assert flaky.attempts == [1, 2, 3]
    assert decision.outcome is Outcome.FAILED
    assert decision.failure is not None
    assert (decision.failure.message, decision.failure.attempts) == ("2", 3)
    assert decision.failure.action == "call"
    assert decision.failure.reason == "TransientError was raised"


def test_a_workflow_may_catch_the_final_error_and_go_on() -> None:
    flaky = Flaky(*[TransientError("no")] * 9, max_retries=1)

    def flow(ctx: Context) -> str:
        try:
            flaky.call(7)
        except ActionFailed as failed:
            return f"{failed.category} {failed.attempts} {flaky.call(8)}"
        return "fine"

    flaky.errors = [TransientError("no")] * 2
    effects = Memory()
    app = flaky.flow(flow)
    first = run(app, effects=effects)

    assert completed(first) == b'"transient 2 8"'
    assert completed(rerun(app, first, effects)) == b'"transient 2 8"'


def test_a_permanent_error_is_not_tried_again() -> None:
    flaky = Flaky(PermanentError("never"))

    assert run(flaky.flow()).outcome is Outcome.FAILED
    assert flaky.attempts == [1]


def test_the_policy_of_the_action_decides() -> None:
    policy = RetryPolicy(max_retries=1, retry_on=(KeyError,), base=1, jitter=False)
    flaky = Flaky(KeyError("a"), KeyError("b"), retry=policy)
    effects = Memory()
    app = flaky.flow()

    first = run(app, effects=effects)

    assert first.wait is not None
    assert first.wait.again_ms is not None
    assert 1000 <= first.wait.again_ms - 1_700_000_000_000 <= 1100
    again = later(effects, first)
    second = run(app, journal=again.journal, effects=again)
    assert second.outcome is Outcome.FAILED
    assert flaky.attempts == [1, 2]


def test_what_the_server_asks_for_is_waited_for() -> None:
    flaky = Flaky(RecoverableError("busy", retry_after=3600))
    effects = Memory()

    decision = run(flaky.flow(), effects=effects)

    assert decision.wait is not None
    assert decision.wait.again_ms is not None
    assert decision.wait.again_ms - effects.now_ms() > 3_599_000


def test_other_code_at_the_step_of_a_failed_try_is_a_divergence() -> None:
    flaky = Flaky(RecoverableError("busy"))
    effects = Memory()
    first = run(flaky.flow(), effects=effects)
    shop = Shop()

    second = rerun(shop.flow(lambda ctx: shop.act(1)), first, effects)

    assert second.failure is not None
    assert second.failure.error_type.endswith("NonDeterminismError")
    assert "the journal has action call" in second.failure.message


def test_a_cancel_keeps_what_failed_from_being_tried_again() -> None:
    flaky = Flaky(RecoverableError("busy"))
    effects = Memory()
    app = flaky.flow()
    first = run(app, effects=effects)
    again = later(effects, first)

    second = run(app, journal=again.journal, effects=again, cancel=True)

    assert second.outcome is Outcome.CANCELLED
    assert flaky.attempts == [1]


# --- submitted actions


def test_a_submitted_action_is_tried_again_while_the_workflow_waits() -> None:
    flaky = Flaky(RecoverableError("busy"))

    def flow(ctx: Context) -> int:
        future = flaky.call.submit(7)
        ctx.wait_for("go")
        return future.result()

    effects = Memory()
    app = flaky.flow(flow, signals="go")
    first = run(app, effects=effects)

    assert first.outcome is Outcome.SUSPENDED
    assert first.wait is not None
    assert first.wait.names == ("go",)
    assert first.wait.again_ms is not None

    again = later(effects, first)
    second = run(app, journal=again.journal, effects=again)
    assert second.outcome is Outcome.SUSPENDED
    assert second.wait is not None
    assert second.wait.again_ms is None, "nothing is left to try"
    assert flaky.attempts == [1, 2]

    journal = again.journal + second.entries
    third = run(app, journal=journal, inbox=(signal(1, "go"),))
    assert completed(third) == b"7"
    assert flaky.attempts == [1, 2]


def test_the_result_of_a_submitted_action_that_failed_is_waited_for() -> None:
    flaky = Flaky(RecoverableError("busy"))

    def flow(ctx: Context) -> int:
        return flaky.call.submit(7).result()

    effects = Memory()
    app = flaky.flow(flow)
    first = run(app, effects=effects)

    assert first.outcome is Outcome.RETRYING
    again = later(effects, first)
    assert completed(run(app, journal=again.journal, effects=again)) == b"7"


def test_the_earliest_of_several_tries_wakes_the_run() -> None:
    flaky = Flaky(
        RecoverableError("late", retry_after=50),
        RecoverableError("soon", retry_after=9),
    )

    def flow(ctx: Context) -> int:
        first = flaky.call.submit(1)
        first_failed = ctx.patched("x")  # both are in flight
        second = flaky.call.submit(2)
        return first.result() + second.result() + first_failed

    effects = Memory()
    decision = run(flaky.flow(flow), effects=effects)

    assert decision.wait is not None
    assert decision.wait.again_ms is not None
    assert decision.wait.again_ms - effects.now_ms() < 20_000


def test_a_workflow_does_not_complete_before_what_it_submitted() -> None:
    flaky = Flaky(RecoverableError("busy"))

    def flow(ctx: Context) -> str:
        flaky.call.submit(7)
        return "done"

    effects = Memory()
    app = flaky.flow(flow)
    first = run(app, effects=effects)

    assert first.outcome is Outcome.RETRYING
    again = later(effects, first)
    assert completed(run(app, journal=again.journal, effects=again)) == b'"done"'
    assert flaky.attempts == [1, 2]


def test_nor_does_it_continue_as_new() -> None:
    flaky = Flaky(RecoverableError("busy"))

    def flow(ctx: Context) -> None:
        flaky.call.submit(7)
        ctx.continue_as_new({"n": 1})

    effects = Memory()
    app = flaky.flow(flow)
    first = run(app, effects=effects)

    assert first.outcome is Outcome.RETRYING
    assert first.payload == b""
    again = later(effects, first)
    second = run(app, journal=again.journal, effects=again)
    assert second.outcome is Outcome.CONTINUED
    assert second.payload == b'{"n":1}'


def test_what_was_emitted_before_is_published_when_the_try_has_to_wait() -> None:
    flaky = Flaky(RecoverableError("busy"))

    def flow(ctx: Context) -> int:
        ctx.emit("seen", {})
        return flaky.call(7)

    effects = Memory()
    app = flaky.flow(flow)
    first = run(app, effects=effects)

    assert [emit.name for emit in first.emits] == ["seen"]
    again = later(effects, first)
    second = run(app, journal=again.journal, effects=again)
    assert second.emits == ()
