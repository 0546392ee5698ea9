"""The campaign sees a broken product: two of its mutants, the others by hand.

``python -m tests.chaos.campaign mutants`` hunts all of them.
"""

from __future__ import annotations

import dataclasses

import pytest

from tests.chaos.campaign.mutants import MUTANTS, Mutant
from tests.chaos.campaign.mutating import hunt

QUICK = [
    dataclasses.replace(mutant, events=1200, faults=2)
    for mutant in MUTANTS
    if mutant.name in {"emit-again", "forgotten-ids"}
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_the_checker_sees_a_broken_product(mutant: Mutant) -> None:
    caught = hunt(mutant, seeds=2)
    assert caught.rule in mutant.rules, str(caught)
