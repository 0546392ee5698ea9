"""What waits for the threads of a pool, and who is woken for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from tests.servers import wait_until
from workflow_worker.model import Task
from workflow_worker.worker.line import Line

THREADS = 3


def task(number: int) -> Task:
    return Task(f"{number}-0", 1, 1, "e", "w", None)


class Crew:
    """Threads that take what is in a line and hold on to it until told."""

    def __init__(self) -> None:
        self.line = Line()
        self.taken: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.gate = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._work, args=(number,))
            for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()
        wait_until(lambda: len(self.line._idle) == THREADS)

    def _work(self, number: int) -> None:
        while True:
            found = self.line.next() or self.line.wait(number)
            if found is None:
                break
            self.taken.put(found.entry)
            self.gate.acquire()

    def end(self) -> bool:
        """Let everybody go; False if somebody sleeps on."""
        self.gate.release(10_000)
        self.line.end()
        for thread in self._threads:
            thread.join(20)
        return not any(thread.is_alive() for thread in self._threads)


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew()
    yield crew
    assert crew.end()


def test_one_thread_is_woken_where_one_is_asked_for(crew: Crew) -> None:
    crew.line.put([task(1), task(2)], 1)
    assert crew.taken.get(timeout=20) == "1-0"
    wait_until(lambda: len(crew.line._idle) == THREADS - 1)
    assert crew.line.left == task(2)


def test_the_others_are_woken_for_what_it_does_not_come_to(crew: Crew) -> None:
    crew.line.put([task(1), task(2), task(3)], 1)
    assert crew.taken.get(timeout=20) == "1-0"
    crew.line.wake(2)
    assert {crew.taken.get(timeout=20) for _ in range(2)} == {"2-0", "3-0"}


def test_nobody_is_woken_for_a_task_that_somebody_was_called_for() -> None:
    line = Line()
    line._idle = {0, 1, 2}
    line.put([task(1)], 1)
    line.wake(1)
    assert line._calls.qsize() == 1
    line.put([task(2)], 1)
    assert line._calls.qsize() == 2


def test_who_is_awake_takes_the_next_one_unwoken(crew: Crew) -> None:
    crew.line.put([task(1), task(2)], 1)
    crew.line.put([task(3)], 0)
    crew.gate.release(3)
    assert [crew.taken.get(timeout=20) for _ in range(3)] == ["1-0", "2-0", "3-0"]


def test_nothing_is_left_where_all_are_busy() -> None:
    line = Line()
    line.put([task(1)], 1)
    assert line.left is None


def test_no_task_is_left_lying_and_none_is_taken_twice(crew: Crew) -> None:
    crew.gate.release(5000)
    for number in range(0, 5000, 5):
        tasks = [task(number + each) for each in range(5)]
        crew.line.put(tasks, 0 if len(crew.line) else 1)
    taken = [crew.taken.get(timeout=20) for _ in range(5000)]
    assert sorted(taken) == sorted(f"{number}-0" for number in range(5000))


def test_what_is_in_it_at_its_end_is_done_before_the_threads_end() -> None:
    crew = Crew()
    crew.line.put([task(number) for number in range(5)], 1)
    assert crew.end()
    assert crew.taken.qsize() == 5
