"""The protocol under any schedule that hypothesis thinks of; and proof that it sees.

A schedule that breaks an invariant is shown as the calls that led there; with
``Phase.shrink`` among the phases, and another seed, it is a tool to look for more.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.functional.broker.machine import mutants
from tests.functional.broker.machine.broken import Broken
from tests.functional.broker.machine.mutants import Mutant, replaced
from tests.functional.broker.machine.rules import Machine
from tests.servers import Server


def run_schedules(server: Server, number: int, examples: int) -> None:
    """Run so many schedules on this server, which ones given by a number."""
    on_server = type("Machine", (Machine,), {"server": server})
    run_state_machine_as_test(
        seed(number)(on_server),
        settings=settings(
            max_examples=examples,
            stateful_step_count=60,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )


def test_the_protocol_holds_under_every_schedule(valkey: Server) -> None:
    run_schedules(valkey, 1, 100)


def test_it_holds_where_all_is_done_in_pages(valkey: Server) -> None:
    with replaced(mutants.SMALL_PAGES):
        run_schedules(valkey, 2, 60)


@pytest.mark.parametrize("mutant", mutants.BROKEN, ids=lambda mutant: mutant.name)
def test_it_is_seen_when(valkey: Server, mutant: Mutant) -> None:
    with replaced(mutant), pytest.raises(Broken, match=f"^{mutant.breaks}: "):
        run_schedules(valkey, mutant.number, 400)
