"""A ring is never lost, and costs nothing to one who is awake."""

from __future__ import annotations

import threading
from collections import deque

from workflow_worker.worker.doorbell import Doorbell


def test_a_ring_before_the_sleep_ends_it_at_once() -> None:
    bell = Doorbell()
    bell.sleeping = True
    bell.ring()
    bell.sleep()
    assert not bell.sleeping


def test_a_sleep_ends_by_itself() -> None:
    bell = Doorbell()
    bell.sleeping = True
    bell.sleep(0.001)
    assert not bell.sleeping


def test_nothing_put_is_ever_left_lying() -> None:
    bell, box, got = Doorbell(), deque[int](), []

    def consume() -> None:
        while len(got) < 20_000:
            bell.sleeping = True
            if not box:
                bell.sleep()
                continue
            bell.sleeping = False
            while box:
                got.append(box.popleft())

    consumer = threading.Thread(target=consume)
    consumer.start()
    for number in range(20_000):
        box.append(number)
        bell.ring()
    consumer.join(20)
    assert not consumer.is_alive()
    assert got == list(range(20_000))
