"""What moves there are, how often each is made, and with what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.functional.broker.machine.plan import MINUTE, SOON

F = TypeVar("F", bound=Callable[..., None])

CHILD = st.sampled_from(
    [
        {"steps": [["act"]], "end": "result"},
        {"steps": [["wait", ["s1"], MINUTE]], "end": "result"},
        {"steps": [["flaky"]], "end": "done"},
        {"steps": [["sleep", MINUTE]], "end": "again"},
        {"steps": [["shaky", 1, SOON]], "end": "retry"},
        {"steps": [["undo", 1, SOON], ["flaky"]], "end": "done"},
    ]
)
WAIT = st.sampled_from(
    [
        ["wait", ["s1"], None],
        ["wait", ["s2"], MINUTE],
        ["wait", ["s1", "s2"], 3 * MINUTE],
        ["wait", ["s1", "s2", "kick"], None],
    ]
)
SHAKY = st.sampled_from(
    [
        ["shaky", 2, None],
        ["shaky", 1, SOON],
        ["shaky", 1, 0, True],
        ["beside", 2, SOON],
        ["beside", 1, 0],
        ["undo", 0, None],
        ["undo", 1, SOON],
        ["undo", 2, 0],
    ]
)
"""What is tried again: how often, and how long after each try."""
STEP = st.one_of(
    WAIT,
    st.sampled_from([["act"], ["act"], ["flaky"], ["sleep", MINUTE], ["result"]]),
    SHAKY,
    st.sampled_from([["emit", "ping", 0], ["emit", "go", MINUTE], ["emit", "s1", 0]]),
    CHILD.map(lambda plan: ["child", plan]),
)
TRIED = st.tuples(st.just(["shaky", 1, SOON]), st.just(["beside", 1, SOON]), WAIT)
STEPS = st.one_of(
    st.lists(STEP, min_size=1, max_size=6),
    st.tuples(st.lists(STEP, max_size=2), TRIED, st.lists(STEP, max_size=2)).map(
        lambda parts: [step for part in parts for step in part]
    ),
)
END = st.sampled_from(["done", "result", "result", "fail", "again", "retry", "hurry"])
DELAY = st.sampled_from([0, 0, 0, MINUTE])
PLACE = st.integers(0, 7)
RARELY = st.sampled_from([False, False, False, True])
MANY = st.sampled_from([1, 2, 5])


@dataclass(frozen=True)
class Move:
    """What may come next.

    Attributes:
        weight: how often it is made, against the others.
        when: whether there is anything to do for it.
        arguments: of the machine's method of that name.
    """

    weight: int
    when: Callable[[Any], object]
    arguments: st.SearchStrategy[dict[str, Any]]


MOVES: dict[str, Move] = {}


def move(
    weight: int, when: Callable[[Any], object] = bool, **arguments: Any
) -> Callable[[F], F]:
    """Make a method a move. Rules of hypothesis have no weights."""

    def note(method: F) -> F:
        MOVES[method.__name__] = Move(weight, when, st.fixed_dictionaries(arguments))
        return method

    return note
