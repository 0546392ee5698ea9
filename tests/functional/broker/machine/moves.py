"""What moves there are, how often each is made, and with what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.functional.broker.machine.toy import MINUTE

F = TypeVar("F", bound=Callable[..., None])

CHILD = st.sampled_from(
    [
        {"steps": [["act"]], "end": "result"},
        {"steps": [["wait", ["s1"], MINUTE]], "end": "result"},
        {"steps": [["flaky"]], "end": "done"},
        {"steps": [["sleep", MINUTE]], "end": "again"},
    ]
)
WAIT = st.sampled_from(
    [
        ["wait", ["s1"], None],
        ["wait", ["s2"], MINUTE],
        ["wait", ["s1", "s2"], MINUTE],
        ["wait", ["s1", "s2", "kick"], None],
    ]
)
STEP = st.one_of(
    WAIT,
    st.sampled_from(
        [["act"], ["act"], ["flaky"], ["undo"], ["sleep", MINUTE], ["result"]]
    ),
    st.sampled_from([["emit", "ping", 0], ["emit", "go", MINUTE], ["emit", "s1", 0]]),
    CHILD.map(lambda plan: ["child", plan]),
)
STEPS = st.lists(STEP, min_size=1, max_size=6)
END = st.sampled_from(["done", "result", "result", "fail", "again"])
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
