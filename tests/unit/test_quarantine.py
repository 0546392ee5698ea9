"""The gate before the threads of a worker: who may begin while a suspect is about."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.servers import wait_until
from workflow_worker.model import Overdue, Task
from workflow_worker.worker.quarantine import Quarantine


class Threads:
    """Threads started here, and what each came to; all ended at the end."""

    def __init__(self) -> None:
        self.uncommitted = 0
        self.gate = Quarantine(5, lambda: self.uncommitted)
        self.answers: dict[str, bool] = {}
        self.running: list[threading.Thread] = []

    def start(self, name: str, ask: Callable[[], bool]) -> threading.Thread:
        def answer() -> None:
            self.answers[name] = ask()

        thread = threading.Thread(target=answer)
        thread.start()
        self.running.append(thread)
        return thread

    def end(self) -> None:
        self.gate.drain()
        for thread in self.running:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def threads() -> object:
    made = Threads()
    yield made
    made.end()


def delivered(times: int, overdue: Overdue | None = None) -> Task:
    return Task("1-0", 1, times, "0-1-0.w", "w", None, overdue=overdue)


@pytest.mark.parametrize(
    ("most", "alone", "locked"),
    [(1, 2, 2), (2, 2, 2), (3, 3, 3), (4, 3, 4), (5, 3, 4), (100, 3, 4)],
)
def test_nothing_is_buried_that_never_ran_alone(
    most: int, alone: int, locked: int
) -> None:
    gate = Quarantine(most, lambda: 0)
    assert (gate.alone_from, gate.locked_from) == (alone, locked)
    assert not gate.is_suspect(delivered(alone - 1))
    assert gate.is_suspect(delivered(alone))
    assert not gate.is_poison(delivered(most))
    assert gate.is_poison(delivered(most + 1))


def test_what_took_too_long_is_neither_suspect_nor_poison() -> None:
    gate = Quarantine(2, lambda: 0)
    assert not gate.is_suspect(delivered(9, Overdue("1-0")))
    assert not gate.is_poison(delivered(9, Overdue("1-0")))


def test_a_suspect_waits_for_what_runs_and_then_runs(threads: Threads) -> None:
    gate = threads.gate
    other, own = gate.place(), gate.place()
    assert gate.enter(other)
    assert gate.close(None)
    threads.start("suspect", lambda: gate.rest(own, None))
    assert not own.running
    other.running = False
    wait_until(lambda: threads.answers.get("suspect"))
    assert own.running


def test_a_suspect_waits_for_what_is_not_committed(threads: Threads) -> None:
    gate, own = threads.gate, threads.gate.place()
    threads.uncommitted = 1
    assert gate.close(None)
    assert not gate.rest(own, 0.0)
    threads.uncommitted = 0
    assert gate.rest(own, 0.0)


def test_a_suspect_does_not_wait_longer_than_it_may(threads: Threads) -> None:
    gate = threads.gate
    other, own = gate.place(), gate.place()
    gate.enter(other)
    assert gate.close(None)
    assert not gate.rest(own, 0.02)
    assert not own.running


def test_nobody_begins_before_the_gate_is_open_again(threads: Threads) -> None:
    gate = threads.gate
    place, own = gate.place(), gate.place()
    gate.close(None)
    gate.rest(own, None)
    threads.start("other", lambda: gate.enter(place))
    assert not place.running
    own.running = False
    gate.open()
    wait_until(lambda: threads.answers.get("other"))
    assert place.running


def test_suspects_take_turns(threads: Threads) -> None:
    gate = threads.gate
    assert gate.close(None)
    assert not gate.close(0.0)
    threads.start("second", lambda: gate.close(None))
    gate.open()
    wait_until(lambda: threads.answers.get("second"))
    assert gate.closed


def test_nobody_waits_once_the_worker_is_to_end(threads: Threads) -> None:
    gate = threads.gate
    busy, place, own = gate.place(), gate.place(), gate.place()
    gate.enter(busy)
    gate.close(None)
    threads.start("innocent", lambda: gate.enter(place))
    threads.start("suspect", lambda: gate.rest(own, None))
    threads.start("next", lambda: gate.close(None))
    gate.drain()
    wait_until(lambda: len(threads.answers) == 3)
    assert threads.answers == {"innocent": False, "suspect": False, "next": False}
    assert not place.running
    assert not own.running


def test_a_suspect_and_the_others_never_run_together() -> None:
    gate = Quarantine(5, lambda: 0)
    ran, together, alone = [0] * 4, [], [False]

    def innocent(number: int) -> None:
        place = gate.place()
        while ran[3] < 200:
            gate.enter(place)
            if alone[0]:
                together.append(number)
            ran[number] += 1
            place.running = False

    def suspect() -> None:
        place = gate.place()
        while ran[3] < 200:
            gate.close(None)
            gate.rest(place, None)
            alone[0] = True
            ran[3] += 1
            alone[0] = False
            place.running = False
            gate.open()

    threads = [threading.Thread(target=innocent, args=(n,)) for n in range(3)]
    threads.append(threading.Thread(target=suspect))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert together == []
    assert min(ran) > 0
