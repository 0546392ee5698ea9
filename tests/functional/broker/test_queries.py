"""What is read of dead letters, whatever they hold."""

from __future__ import annotations

from tests.functional.broker.conftest import PARTITION, Database
from workflow_worker.broker import queries


def test_a_letter_of_very_many_fields_is_whole(base: Database) -> None:
    hand = base.hand()
    fields = {f"f{i}": bytes([i % 256]) * (i % 40) for i in range(600)}
    fields |= {"short": b"s" * 300, "long": b"l" * 70_000}
    base.add("go", **fields)
    assert hand.take() == []
    [letter] = queries.dead_letters(hand.link, PARTITION, 10)
    assert letter.event_name == "go"
    assert letter.fields == {"name": b"go", **fields}
